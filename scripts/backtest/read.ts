import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import {
  BacktestError,
  type Header,
  kindOf,
  readDecision,
  readEnd,
  readHeader,
  readPolicy,
  type RecordedPolicy,
} from './format.ts'

/** Lines of recorded decisions, some at a time. They are read twice: what is newest is known only at the end. */
export type Source = { readonly open: () => AsyncIterable<readonly string[]> }

/** What there is, before any of it is evaluated. */
export type Survey = {
  readonly header: Header
  readonly decisions: number
  readonly policies: ReadonlyMap<string, RecordedPolicy>
  /** Revision of the last decision; `undefined` where there is none. */
  readonly newest: string | undefined
}

/** Most characters of a line; bodies are the largest part of one. */
const MOST_LINE = 256 * 1024 * 1024
/** Most characters of all policies together, which are kept for as long as decisions refer to them. */
const MOST_POLICIES = 512 * 1024 * 1024
const CHUNK = 256 * 1024

/** A file, gzip or not. */
export const fileSource = (path: string): Source => ({
  async *open() {
    const gzip = await isGzip(path)
    const file = createReadStream(path, { highWaterMark: CHUNK })
    const text = gzip ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file
    file.on('error', (error) => text.destroy(error))
    try {
      yield* linesOf(text)
    } catch (cause) {
      if (cause instanceof BacktestError) throw cause
      const code = (cause as NodeJS.ErrnoException).code
      if (code === 'Z_BUF_ERROR') throw cut('its gzip ends in the middle', { cause })
      throw new BacktestError('BACKTEST_FORMAT', `${path}: ${(cause as Error).message}`, { cause })
    } finally {
      file.destroy()
    }
  },
})

async function isGzip(path: string): Promise<boolean> {
  try {
    await using file = await open(path)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  } catch (cause) {
    throw new BacktestError('BACKTEST_FORMAT', `${path}: ${(cause as Error).message}`, { cause })
  }
}

async function* linesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  // Of a line that is not at its end yet; joined once, however many chunks it has.
  let begun: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk as Uint8Array, { stream: true })
    const [first = '', ...lines] = text.split('\n')
    begun.push(first)
    length += first.length
    if (length > MOST_LINE)
      throw new BacktestError('BACKTEST_LINE', `a line has more than ${MOST_LINE} characters`)
    const rest = lines.pop()
    if (rest === undefined) continue
    yield [begun.join(''), ...lines]
    begun = [rest]
    length = rest.length
  }
  const last = begun.join('') + decoder.decode()
  if (last !== '') yield [last]
}

const cut = (how: string, options?: ErrorOptions): BacktestError =>
  new BacktestError('BACKTEST_CUT', `the recorded decisions are cut off: ${how}`, options)

/**
 * Reads all of it without parsing decisions, so that what is cut, or is something else, is known before the work.
 * @throws {BacktestError}
 */
export async function survey(source: Source): Promise<Survey> {
  let header: Header | undefined
  let last: { readonly line: string; readonly at: number } | undefined
  let end: number | undefined
  let decisions = 0
  let kept = 0
  const policies = new Map<string, RecordedPolicy>()
  for await (const [line, at] of numbered(source)) {
    if (!header) {
      header = readHeader(line)
      continue
    }
    if (end !== undefined)
      throw new BacktestError('BACKTEST_LINE', `line ${at} stands after the end`)
    switch (kindOf(line)) {
      case 'policy': {
        const policy = readPolicy(line, at)
        if (!policies.has(policy.revision)) kept += line.length
        policies.set(policy.revision, policy)
        if (kept > MOST_POLICIES)
          throw new BacktestError(
            'BACKTEST_POLICY',
            'there are more policies than fit: take a shorter time',
          )
        break
      }
      case 'end':
        end = readEnd(line, at)
        break
      case 'decision':
        decisions += 1
        last = { line, at }
    }
  }
  if (!header)
    throw new BacktestError('BACKTEST_FORMAT', 'there are no recorded decisions: it is empty')
  if (end === undefined) throw cut('its last line does not say so')
  if (end !== decisions) throw cut(`its end speaks of ${end} decisions, and there are ${decisions}`)
  const newest = last && readDecision(last.line, last.at).revision
  return { header, decisions, policies, newest }
}

/** Lines with their number, from 1; empty ones are left out. */
export async function* numbered(source: Source): AsyncGenerator<readonly [string, number]> {
  let at = 0
  for await (const lines of source.open())
    for (const line of lines) {
      at += 1
      if (line !== '') yield [line, at]
    }
}
