import { SseDecoder } from '../../pep/mask/sse.ts'
import { isObject, type JsonObject } from '../../pep/adapters/anthropic/events.ts'
import { stringsOf } from '../../pep/adapters/anthropic/testing-places.ts'

/** What a client can make of a stream, however little order is in it. */
export type Loose = {
  /** Texts put together by block and field, and everything else in the order it came. */
  readonly view: unknown
  readonly strings: readonly string[]
}

/** Reads events, blocks that overlap and deltas that belong to nothing included. */
export function readLoose(bytes: Uint8Array): Loose {
  const texts = new Map<string, string>()
  const others: unknown[] = []
  const frames = new SseDecoder(64 * 1024 * 1024).feed(bytes)
  for (const { data, comments } of frames) {
    if (data === undefined) {
      // The second half of a CRLF can be a frame of its own.
      if (comments.length > 0) others.push(comments)
      continue
    }
    const event = parsed(data)
    if (!isObject(event) || event['type'] !== 'content_block_delta' || !isObject(event['delta'])) {
      // Where a text begins is no difference to its reader.
      others.push(isObject(event) ? withoutText(event, texts) : event)
      continue
    }
    for (const [field, value] of Object.entries(event['delta'])) {
      const key = `${String(event['index'])}.${field}`
      if (field === 'type') continue
      if (typeof value === 'string') texts.set(key, (texts.get(key) ?? '') + value)
      else others.push({ [key]: value })
    }
  }
  const inputs = [...texts].filter(([key]) => key.endsWith('.partial_json'))
  return {
    view: {
      texts: [...texts].filter(([, text]) => text !== '').sort(([a], [b]) => (a < b ? -1 : 1)),
      others,
    },
    strings: [
      ...texts.values(),
      ...stringsOf(others),
      ...inputs.flatMap(([, input]) => stringsOf(parsed(input))),
    ],
  }
}

function withoutText(event: JsonObject, texts: Map<string, string>): JsonObject {
  const block = event['content_block']
  if (event['type'] !== 'content_block_start' || !isObject(block)) return event
  const rest: JsonObject = {}
  for (const [field, value] of Object.entries(block)) {
    if (!['text', 'thinking', 'content'].includes(field) || typeof value !== 'string')
      rest[field] = value
    else texts.set(`${String(event['index'])}.${field}`, value)
  }
  return { ...event, content_block: rest }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

/** Whether a message begins before anything of it comes, and every event has its name, as the SDK asks for. */
export function isOrderly(bytes: Uint8Array): boolean {
  let begun = false
  for (const { data, event } of new SseDecoder(64 * 1024 * 1024).feed(bytes)) {
    if (data === undefined) continue
    if (event === undefined) return false
    begun ||= event === 'message_start'
    if (!begun && /^(message|content)_/.test(event)) return false
  }
  return begun
}
