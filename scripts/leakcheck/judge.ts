import { isDeepStrictEqual } from 'node:util'
import type { Case } from './case.ts'
import { type Answer, arrivalOf } from './client.ts'
import { type Message, readMessage } from './message.ts'
import { LAST_WORD } from './places.ts'
import { textOfDelta } from './script.ts'
import { leaksIn, type Secret } from './secrets.ts'
import { readSse, type SseStream } from './sse.ts'

export type Verdict = {
  /** Where the secret, or most of it in a row, was seen. */
  readonly leaked?: string
  /** What a client could not read. */
  readonly broken?: string
  /** What of a control case was not as it was sent. */
  readonly altered?: string
  /** Of a control case: whether it came back byte by byte. */
  readonly identical?: boolean
  /** Refused with an HTTP error before anything was sent. */
  readonly refused: boolean
  /** It ends as it should, but early: what stood behind the secret is missing. */
  readonly cut: boolean
  /** From the upstream writing its first delta to the client having one, ms. */
  readonly first_ms?: number
}

/** @param wrote_ms when the upstream wrote the first delta; absent: it was not asked, or the reply has none. */
export function judge(one: Case, answer: Answer, wrote_ms?: number): Verdict {
  const stream = readSse(answer.body)
  const message = readMessage(stream)
  const leaked = one.secret && leakOf(one.secret, answer.body, message)
  const refused = isRefusal(answer)
  const broken = refused ? undefined : brokenBy(one, answer, message)
  const altered = one.secret || refused || broken ? undefined : alterationOf(one, message)
  const first_ms = refused ? undefined : firstByte(one, answer, stream, wrote_ms)
  return {
    ...(leaked !== undefined && { leaked }),
    ...(broken !== undefined && { broken }),
    ...(altered !== undefined && { altered }),
    ...(!one.secret && { identical: answer.body.equals(one.script.bytes) }),
    refused,
    cut: one.secret !== undefined && !refused && !broken && !goesOn(message),
    ...(first_ms !== undefined && { first_ms }),
  }
}

function leakOf(secret: Secret, body: Buffer, message: Message): string | undefined {
  const raw = body.toString('utf8')
  if (leaksIn(raw, secret)) return 'the bytes'
  if (message.strings.some((text) => leaksIn(text, secret))) return 'the message'
  // Also of what could not be read; twice, for the input of a tool is JSON in JSON.
  const once = unescaped(raw)
  if (leaksIn(once, secret) || leaksIn(unescaped(once), secret)) return 'the bytes, unescaped'
  return undefined
}

const names: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

const unescaped = (json: string): string =>
  json.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, unit: string | undefined, char: string) =>
    unit === undefined ? (names[char] ?? char) : String.fromCharCode(Number.parseInt(unit, 16)),
  )

function isRefusal({ status, body, failure }: Answer): boolean {
  if (status < 400 || failure !== undefined) return false
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

function brokenBy({ ends }: Case, answer: Answer, message: Message): string | undefined {
  if (answer.status !== 200) return answer.failure ?? `HTTP ${answer.status}`
  if (answer.failure !== undefined) return answer.failure
  if (!answer.contentType.startsWith('text/event-stream')) return 'not an event stream'
  // A gateway may end a reply that it does not let through with an error of its own.
  const ended = message.ending === ends || message.ending === 'message_stop'
  return message.problems[0] ?? (ended ? undefined : `it ends with ${message.ending}`)
}

/** Whether the reply goes on behind the secret. */
const goesOn = ({ strings }: Message): boolean => strings.some((text) => text.includes(LAST_WORD))

/** @returns the first thing that a client would see otherwise than it was sent. */
function alterationOf({ script }: Case, got: Message): string | undefined {
  const sent = readMessage(readSse(script.bytes))
  const blocks = Math.max(sent.blocks.length, got.blocks.length)
  for (let index = 0; index < blocks; index++) {
    const field = differingField(contentOf(sent, index), contentOf(got, index))
    if (field !== undefined) return `block ${index}: ${field}`
  }
  if (sent.stop_reason !== got.stop_reason) return 'stop_reason'
  return isDeepStrictEqual(sent.unknown, got.unknown) ? undefined : 'events of unknown types'
}

/** A block as a client sees it: `input` is the text that was sent, not what it parses to. */
function contentOf({ blocks }: Message, index: number): Readonly<Record<string, unknown>> {
  const block = blocks[index]
  if (!block) return {}
  const texts = [...block.texts].map(([key, text]) => [key.slice(key.indexOf('.') + 1), text])
  return { ...block.start, ...Object.fromEntries(texts), deltas: block.others }
}

function differingField(
  sent: Readonly<Record<string, unknown>>,
  got: Readonly<Record<string, unknown>>,
): string | undefined {
  const fields = new Set([...Object.keys(sent), ...Object.keys(got)])
  return [...fields].find((field) => !isDeepStrictEqual(sent[field], got[field]))
}

function firstByte(
  { script }: Case,
  answer: Answer,
  { events }: SseStream,
  wrote_ms: number | undefined,
): number | undefined {
  if (script.firstDelta === undefined || wrote_ms === undefined) return undefined
  const first = events.find(({ data }) => saysSomething(data))
  const at_ms = first && arrivalOf(answer, first.end)
  return at_ms === undefined ? undefined : at_ms - wrote_ms
}

function saysSomething(data: string): boolean {
  try {
    const value = JSON.parse(data) as { readonly delta?: unknown } | null
    return textOfDelta(value?.delta) !== ''
  } catch {
    return false
  }
}
