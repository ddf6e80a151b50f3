import type { ModelReply, Usage } from '../../telemetry/telemetry.ts'
import { isObject, type JsonObject } from './events.ts'
import type { MaskingParts } from './reply.ts'

/** What traces are told of a reply. They go to others, so nothing that a mask would find goes with it. */

/** A name that is longer is none. */
const MAX_NAME = 256

/** The text, if a mask finds nothing in it: neither what policy masks nor the injected credential. */
export function unmasked({ mask }: Pick<MaskingParts, 'mask'>, text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > MAX_NAME) return undefined
  try {
    const masker = mask.text()
    return masker.push(text) + masker.end() === text ? text : undefined
  } catch {
    return undefined // what cannot be looked through is not told
  }
}

/** Makes what looks at `message_start`, `message_delta` and whole messages. */
export function replyTold(
  parts: Pick<MaskingParts, 'mask'>,
  tell: (reply: ModelReply) => void,
): (event: JsonObject) => void {
  return (event) => {
    const message = isObject(event['message']) ? event['message'] : event
    const delta = isObject(event['delta']) ? event['delta'] : message
    const usage = usageOf(message['usage'])
    const id = unmasked(parts, message['id'])
    const model = unmasked(parts, message['model'])
    const finish_reason = unmasked(parts, delta['stop_reason'])
    tell({
      ...(id !== undefined && { id }),
      ...(model !== undefined && { model }),
      ...(finish_reason !== undefined && { finish_reason }),
      ...(usage && { usage }),
    })
  }
}

function usageOf(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined
  const usage: { -readonly [K in keyof Usage]: number } = {}
  for (const name of [
    'input_tokens',
    'output_tokens',
    'cache_read_input_tokens',
    'cache_creation_input_tokens',
  ] as const) {
    const count = value[name]
    if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) usage[name] = count
  }
  return usage
}
