import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Where events go, JSON texts, in order. Rejects when it cannot take them; then they are offered again. */
export type Sink = {
  readonly name: string
  /** @returns how many of them will never be taken, whoever offers them again. */
  readonly write: (events: readonly string[]) => Promise<number>
}

export const consoleSink = (print: (text: string) => void): Sink => ({
  name: 'console',
  write(events) {
    print(`${events.join('\n')}\n`)
    return Promise.resolve(0)
  },
})

/** JSON lines; the file is put aside when it is full: `log.1` is the newest of those. */
export function fileSink(options: {
  readonly path: string
  readonly max_bytes: number
  readonly keep: number
}): Sink {
  const { path, max_bytes, keep } = options
  return {
    name: 'file',
    async write(events) {
      await mkdir(dirname(path), { recursive: true })
      const size = await stat(path).then(
        ({ size }) => size,
        () => 0,
      )
      if (size >= max_bytes) {
        await rm(`${path}.${keep}`, { force: true })
        for (let at = keep - 1; at >= 1; at -= 1)
          await rename(`${path}.${at}`, `${path}.${at + 1}`).catch(() => undefined)
        await rename(path, `${path}.1`)
      }
      await using file = await open(path, 'a', 0o600)
      await file.writeFile(`${events.join('\n')}\n`)
      return 0
    },
  }
}

const compress = promisify(gzip)

export type HttpSinkOptions = {
  /** `POST <url>/logs`, as OPA's decision log service has it. */
  readonly url: URL
  readonly token?: () => Promise<string>
  readonly headers?: Readonly<Record<string, string>>
  /** Most bytes of one request before compression. */
  readonly chunk_bytes: number
  readonly timeout_ms?: number
}

export function httpSink({
  url,
  token,
  headers = {},
  chunk_bytes,
  timeout_ms = 10_000,
}: HttpSinkOptions): Sink {
  const target = new URL(`${url.pathname.replace(/\/$/, '')}/logs`, url)
  /** @returns whether they were taken; not, when they never will be. */
  async function send(events: readonly string[]): Promise<boolean> {
    const sent = new Headers(headers)
    sent.set('content-type', 'application/json')
    sent.set('content-encoding', 'gzip')
    if (token) sent.set('authorization', `Bearer ${await token()}`)
    const response = await fetch(target, {
      method: 'POST',
      headers: sent,
      body: await compress(`[${events.join(',')}]`),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeout_ms),
    })
    await response.arrayBuffer()
    if (response.ok) return true
    if (FOR_GOOD.has(response.status)) return false
    throw new Error(`the collector answers ${response.status}`)
  }

  /** One that is refused must not stop those beside it. */
  async function sendAll(events: readonly string[]): Promise<number> {
    if (await send(events)) return 0
    if (events.length === 1) return 1
    const half = events.length >> 1
    return (await sendAll(events.slice(0, half))) + (await sendAll(events.slice(half)))
  }
  return {
    name: 'http',
    async write(events) {
      let chunk: string[] = []
      let bytes = 0
      let refused = 0
      for (const event of events) {
        if (chunk.length > 0 && bytes + event.length > chunk_bytes) {
          refused += await sendAll(chunk)
          ;[chunk, bytes] = [[], 0]
        }
        chunk.push(event)
        bytes += event.length
      }
      return chunk.length > 0 ? refused + (await sendAll(chunk)) : refused
    },
  }
}

/** What a collector answers to content that it does not want: offered again, it is the same. */
const FOR_GOOD: ReadonlySet<number> = new Set([400, 413, 415, 422, 431])

/** Longest pause between two tries. */
const MOST_PAUSE_MS = 30_000

/** Offers events until they are taken, or it is ended. @returns how many were refused for good; `undefined` when it ended. */
export async function deliver(
  sink: Sink,
  events: readonly string[],
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<number | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await sink.write(events)
    } catch (error) {
      onFailure(error)
    }
    const pause_ms = Math.min(MOST_PAUSE_MS, 250 * 2 ** attempt) * (0.5 + Math.random() / 2)
    await sleep(pause_ms, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return undefined
  }
}
