import { encodeSse, type SseFrame } from '../../mask/sse.ts'
import type { Block, BlockEnd } from './block.ts'
import { isObject, type JsonObject, own, textBlock } from './events.ts'
import { refusalText } from './refuse.ts'
import { maskStrings, maskText, ReplyCut, type ReplyParts } from './reply.ts'

/** Holds a tool call back until all of it is there, has it decided, and releases it or says why not. */
export function holdToolCall(
  parts: ReplyParts & { readonly maxInputBytes: number },
  index: number,
  event: JsonObject,
  content: JsonObject,
  start: SseFrame,
): Block {
  const { name, id } = content
  if (typeof name !== 'string') throw new ReplyCut('a tool call has no name')
  const frames: Buffer[] = []
  let input = ''
  let bytes = start.raw.length

  function delta({ delta: change }: JsonObject, frame: SseFrame): Buffer {
    if (
      !isObject(change) ||
      typeof change['partial_json'] !== 'string' ||
      Object.keys(change).length !== 2
    ) {
      throw new ReplyCut('a tool call holds something that is not its input')
    }
    bytes += frame.raw.length
    if (bytes > parts.maxInputBytes) throw new ReplyCut('a tool call is too long')
    input += change['partial_json']
    frames.push(frame.raw)
    return Buffer.alloc(0)
  }

  async function stop(frame: SseFrame, ping: () => void): Promise<BlockEnd> {
    const given = JSON.stringify(content['input'] ?? {})
    // Readers let the deltas replace what the start holds; where both say something they may differ.
    if (input !== '' && given !== '{}') throw new ReplyCut('a tool call has two inputs')
    const whole = input === '' ? given : input
    const call = { name: String(name), input: whole, ...(typeof id === 'string' && { id }) }
    const admitted = await parts.admit(call, ping)
    if (!admitted.ok) {
      const text = refusalText(`the tool call ${String(name)}`, admitted.error)
      // The name is what the model wrote.
      return { out: textBlock(index, maskText(parts, text)), call: 'refused' }
    }
    if (admitted.value === whole) {
      return {
        out: Buffer.concat([begin(start.data ?? ''), ...frames, frame.raw]),
        call: 'released',
      }
    }
    // The input that was masked follows in one delta.
    const emptied = { ...event, content_block: { ...content, input: {} } }
    const change = { type: 'input_json_delta', partial_json: admitted.value }
    const out = [
      begin(JSON.stringify(emptied)),
      own('content_block_delta', { index, delta: change }),
    ]
    return { out: Buffer.concat([...out, frame.raw]), call: 'released' }
  }

  function begin(data: string): Buffer {
    const masked = maskStrings(parts, data, JSON.parse(data))
    return masked === start.data ? start.raw : encodeSse('content_block_start', masked)
  }

  return { held: true, text: false, delta, stop, tally: () => undefined }
}
