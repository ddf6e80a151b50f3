import type { IncomingMessage } from 'node:http'
import { Packr, Unpackr } from 'msgpackr'
import { err, ok, type Result } from '../contract/result.ts'
import { type Problem, problem } from './problem.ts'

/** How a body is written: by `Content-Type` and `Accept`. */
export type Format = 'json' | 'msgpack'

/** Most bytes of a request. */
export const MAX_BODY_BYTES = 16 * 1024 * 1024

export const contentTypes: Readonly<Record<Format, string>> = {
  json: 'application/json',
  msgpack: 'application/msgpack',
}

const formats: ReadonlyMap<string, Format> = new Map([
  ['application/json', 'json'],
  ['application/msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['application/vnd.msgpack', 'msgpack'],
])

/** @returns `undefined` for a type that is not understood. A charset other than UTF-8 is not. */
export function formatOf(contentType: string | undefined): Format | undefined {
  const [type = '', ...parameters] = (contentType ?? '').toLowerCase().split(';')
  const readable = parameters.every((one) => /^\s*(?:charset="?utf-8"?)?\s*$/.test(one))
  return readable ? formats.get(type.trim()) : undefined
}

/** What the caller wants; the request's own format when it does not say. */
export function wantedFormat(accept: string | undefined, own: Format): Format {
  if (accept === undefined) return own
  const types = accept.split(',').map((one) => one.split(';')[0]?.trim().toLowerCase() ?? '')
  for (const type of types) {
    const format = formats.get(type)
    if (format) return format
  }
  return own
}

/** Reads a body whole. One that is longer than `most` bytes is refused without reading on. */
export function readBytes(
  incoming: IncomingMessage,
  most = MAX_BODY_BYTES,
): Promise<Result<Buffer, Problem>> {
  const tooLarge = err(
    problem(413, 'PDP_TOO_LARGE', `a body may have ${most} bytes; send fewer at a time`),
  )
  if (Number(incoming.headers['content-length'] ?? 0) > most) return Promise.resolve(tooLarge)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= most) chunks.push(chunk)
      else {
        incoming.pause()
        resolve(tooLarge)
      }
    })
    incoming.on('end', () =>
      resolve(ok(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))),
    )
    const gone = (): void => resolve(err(problem(400, 'PDP_BAD_REQUEST', 'the body broke off')))
    incoming.on('error', gone).on('close', gone)
  })
}

// Without shared structures: every message can be read alone.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
const packr = new Packr({ useRecords: false, variableMapSize: true })
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Parses a body. What it holds is not checked. */
export function decode(format: Format, bytes: Buffer): Result<unknown, Problem> {
  try {
    return ok(format === 'json' ? JSON.parse(utf8.decode(bytes)) : unpackr.unpack(bytes))
  } catch {
    return err(
      problem(
        400,
        'PDP_BAD_REQUEST',
        `the body is not ${format === 'json' ? 'JSON in UTF-8' : 'MessagePack'}`,
      ),
    )
  }
}

export const encode = (format: Format, value: unknown): Buffer =>
  format === 'json' ? Buffer.from(JSON.stringify(value)) : packr.pack(value)
