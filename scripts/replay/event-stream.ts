import { SseDecoder, type SseFrame } from '../../pep/mask/sse.ts'
import { blockStart, errorPart, stopPart } from './message.ts'
import { type Grown, indentJson, isObject, type JsonObject, type Part, textOf } from './part.ts'

/** Longest event that is read as one. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024

/** An event stream as it grew: replies of the Anthropic Messages API by block, others event by event. */
export function createStreamReader(): {
  /** @throws {PepMaskError} when it is no event stream after all: not UTF-8, or an event without end. */
  readonly push: (bytes: Uint8Array) => readonly Grown[]
  readonly end: () => readonly Grown[]
} {
  const decoder = new SseDecoder(MAX_EVENT_BYTES)
  const blocks = new Map<unknown, Part>()
  let events = 0
  return {
    push: (bytes) => decoder.feed(bytes).flatMap((frame) => read(frame)),
    end() {
      const rest = decoder.end()
      if (rest.length === 0) return []
      const part: Part = { key: 'rest', kind: 'error', title: 'the stream ends inside an event' }
      return [{ part, text: rest.toString('utf8') }]
    },
  }

  function read(frame: SseFrame): readonly Grown[] {
    if (frame.data === undefined) return []
    events++
    const value = parsed(frame.data)
    const known = isObject(value) ? anthropic(value) : undefined
    if (known) return known
    const part: Part = {
      key: `e${events}`,
      kind: 'data',
      title: `event ${frame.event ?? ''}`.trim(),
    }
    return [{ part, text: frame.data }]
  }

  /** @returns `undefined` for an event that the API does not have. */
  function anthropic(event: JsonObject): readonly Grown[] | undefined {
    switch (event['type']) {
      case 'message_start':
      case 'message_stop':
      case 'content_block_stop':
      case 'ping':
        return []
      case 'content_block_start':
        return begin(event)
      case 'content_block_delta':
        return grow(event)
      case 'message_delta':
        return isObject(event['delta']) ? stopPart(event['delta']['stop_reason']) : []
      case 'error':
        return [errorPart(event['error'])]
      default:
        return undefined
    }
  }

  function begin({ index, content_block }: JsonObject): readonly Grown[] {
    const block = isObject(content_block) ? content_block : {}
    const { part, text } = blockStart(block, `b${String(index)}`, '')
    blocks.set(index, part)
    const { input, content } = block
    const whole = isObject(input) && Object.keys(input).length === 0 ? content : (input ?? content)
    const begun =
      part.kind === 'tool' && whole !== undefined
        ? indentJson(JSON.stringify(whole))
        : part.kind === 'data'
          ? indentJson(JSON.stringify(block))
          : text
    return [{ part, text: begun }]
  }

  function grow({ index, delta }: JsonObject): readonly Grown[] {
    if (!isObject(delta)) return []
    // A delta for a block that never began is shown all the same: readers differ in what they make of it.
    const part: Part = blocks.get(index) ?? {
      key: `b${String(index)}`,
      kind: 'data',
      title: 'a block that never began',
    }
    blocks.set(index, part)
    switch (delta['type']) {
      case 'text_delta':
        return [{ part, text: textOf(delta['text']) }]
      case 'thinking_delta':
        return [{ part, text: textOf(delta['thinking']) }]
      case 'input_json_delta':
        return [{ part, text: textOf(delta['partial_json']) }]
      case 'signature_delta':
        return []
      default: {
        const other: Part = { ...part, key: `${part.key}.${textOf(delta['type'])}`, kind: 'data' }
        return [{ part: { ...other, title: textOf(delta['type']) }, text: JSON.stringify(delta) }]
      }
    }
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined // an event whose data is no JSON is shown as text
  }
}
