import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Where events go, JSON texts, in order. Rejects when it cannot take them; then they are offered again. */
export type Sink = {
  readonly name: string
  readonly write: (events: readonly string[]) => Promise<void>
}

export const consoleSink = (print: (text: string) => void): Sink => ({
  name: 'console',
  write(events) {
    print(`${events.join('\n')}\n`)
    return Promise.resolve()
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
  async function send(events: readonly string[]): Promise<void> {
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
    if (!response.ok) throw new Error(`the collector answers ${response.status}`)
  }
  return {
    name: 'http',
    async write(events) {
      let chunk: string[] = []
      let bytes = 0
      for (const event of events) {
        if (chunk.length > 0 && bytes + event.length > chunk_bytes) {
          await send(chunk)
          ;[chunk, bytes] = [[], 0]
        }
        chunk.push(event)
        bytes += event.length
      }
      if (chunk.length > 0) await send(chunk)
    },
  }
}

/** Longest pause between two tries. */
const MOST_PAUSE_MS = 30_000

/** Offers events until they are taken, or it is ended. @returns whether they were taken. */
export async function deliver(
  sink: Sink,
  events: readonly string[],
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<boolean> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await sink.write(events)
      return true
    } catch (error) {
      onFailure(error)
    }
    const pause_ms = Math.min(MOST_PAUSE_MS, 250 * 2 ** attempt) * (0.5 + Math.random() / 2)
    await sleep(pause_ms, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return false
  }
}
