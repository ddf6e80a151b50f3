import { isObject, type JsonObject, own } from '../../pep/adapters/anthropic/events.ts'
import { ReplyCut } from '../../pep/adapters/anthropic/reply.ts'
import { createReplyStream } from '../../pep/adapters/anthropic/reply-stream.ts'
import { Findings } from '../../pep/core/masks.ts'
import { isSigned } from '../../pep/facts/anthropic-fields.ts'
import { ok } from '../../pdp/contract/result.ts'
import { encodeSse, SseDecoder, type SseFrame } from '../../pep/mask/sse.ts'
import { maskJsonText } from './json.ts'
import { type Masker, NotShown } from './masker.ts'
import type { Breathe, Part } from './pieces.ts'

/** Results of server tools come in one event. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024

/** Events that only a streamed message has. */
const ofMessage: ReadonlySet<unknown> = new Set([
  'message_start',
  'message_delta',
  'message_stop',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
])

/** Whether a frame is of a message that the Messages API streams. */
export function isOfMessage({ data }: SseFrame): boolean {
  const event = data === undefined ? undefined : parsed(data)
  return isObject(event) && ofMessage.has(event['type'])
}

/**
 * Masks a streamed message by the enforcement point's own reader of them, which finds values that are divided over deltas
 * and blocks. Thinking, which it must leave as it is, goes through it under other names: what people look at needs no
 * valid signature. Half an event at the end is not shown.
 */
export function createMessageStream(masker: Masker, breathe: Breathe): Part {
  const decoder = new SseDecoder(MAX_EVENT_BYTES)
  const shown = new SseDecoder(4 * MAX_EVENT_BYTES)
  let written: Buffer[] = []
  let cut: string | undefined
  const reply = createReplyStream({
    mask: masker.mask,
    altering: masker.altering,
    findings: new Findings(),
    ruled: true,
    admit: async ({ input }) => ok(await maskJsonText(masker, input, breathe)),
    decision_id: '',
    maxInputBytes: 4 * MAX_EVENT_BYTES,
    write(bytes) {
      written.push(bytes)
      return Promise.resolve()
    },
    record({ result, reason }) {
      if (result === 'cut') cut = reason ?? 'it cannot be inspected'
      return Promise.resolve()
    },
  })

  async function feed(bytes: Buffer): Promise<void> {
    try {
      await reply.feed(bytes)
    } catch (error) {
      throw new NotShown(
        error instanceof ReplyCut ? error.message : 'the stream cannot be inspected',
      )
    }
    // Its notice would say that the agent got no more than this.
    if (cut !== undefined) throw new NotShown(cut)
  }

  async function taken(): Promise<Buffer> {
    const frames = shown.feed(Buffer.concat(written))
    written = []
    const out: Buffer[] = []
    for (const frame of frames) out.push(await finished(masker, frame, breathe))
    return Buffer.concat(out)
  }

  return {
    async push(bytes) {
      for (const frame of decoder.feed(bytes)) {
        for (const part of unsigned(frame)) await feed(part)
        await breathe()
      }
      return taken()
    },
    async end() {
      await reply.end()
      return taken()
    },
  }
}

/** What the names of signed fields begin with while they go through the reader. */
const PLAIN = 'countersign view: '

/** The event, or two of them, with signed text as text like any other. */
function unsigned(frame: SseFrame): Buffer[] {
  const event = frame.data === undefined ? undefined : parsed(frame.data)
  if (event === undefined) return [frame.raw]
  const renamed = rename(event)
  if (renamed === event || !isObject(renamed)) return [frame.raw]
  const { content_block: content, ...around } = renamed
  const type = isObject(content) ? content['type'] : undefined
  if (!isObject(content) || typeof type !== 'string') return [encode(frame, renamed)]
  const begun = Object.entries(content).filter(
    ([name, value]) => name.startsWith(PLAIN) && value !== '',
  )
  if (begun.length === 0) return [encode(frame, renamed)]
  // Text in the start may be the beginning of a value: it goes the way of a delta.
  const emptied = { ...content, ...Object.fromEntries(begun.map(([name]) => [name, ''])) }
  const delta = { type: `${type}_delta`, ...Object.fromEntries(begun) }
  return [
    encode(frame, { ...around, content_block: emptied }),
    own('content_block_delta', { index: around['index'], delta }),
  ]
}

const encode = (frame: SseFrame, event: JsonObject): Buffer =>
  encodeSse(frame.event, JSON.stringify(event))

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined // the reader says what is wrong with it, and nothing is shown
  }
}

/** @returns the same value when there is nothing to rename. @throws {NotShown} for a name that is ours. */
function rename(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(rename)
    return items.some((item, k) => item !== value[k]) ? items : value
  }
  if (!isObject(value)) return value
  let same = true
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
    if (key.startsWith(PLAIN)) throw new NotShown('it has a field of a name that is taken')
    const signed = typeof inner === 'string' && isSigned(key, value)
    const renamed = rename(inner)
    same &&= !signed && renamed === inner
    return [signed ? PLAIN + key : key, renamed]
  })
  return same ? value : Object.fromEntries(entries)
}

function named(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(named)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.startsWith(PLAIN) ? key.slice(PLAIN.length) : key,
      named(inner),
    ]),
  )
}

/** Gives signed fields their names again, and masks what the reader must not touch: ids, names, signatures, files. */
async function finished(masker: Masker, frame: SseFrame, breathe: Breathe): Promise<Buffer> {
  const { data } = frame
  if (data === undefined) return frame.raw
  const own = data.includes(PLAIN) ? JSON.stringify(named(JSON.parse(data))) : data
  const masked = await maskJsonText(masker, own, breathe)
  if (masked === data) return frame.raw
  return encodeSse(frame.event === undefined ? undefined : masker.text(frame.event), masked)
}
