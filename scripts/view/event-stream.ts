import { encodeSse, SseDecoder, type SseFrame } from '../../pep/mask/sse.ts'
import { createCrossing, type Crossing } from './crossing.ts'
import { maskJsonText } from './json.ts'
import type { Masker } from './masker.ts'
import type { Breathe, Part } from './pieces.ts'

const MAX_EVENT_BYTES = 16 * 1024 * 1024

/**
 * Masks an event stream of any protocol: the data of each event by itself, then all of it as the text that it is. Where a
 * value is divided over events nothing is shown.
 */
export function createEventStream(masker: Masker, breathe: Breathe): Part {
  const decoder = new SseDecoder(MAX_EVENT_BYTES)
  const text = masker.mask.utf8()
  const crossing = createCrossing(masker)
  return {
    async push(bytes) {
      const out: Buffer[] = []
      for (const frame of decoder.feed(bytes)) {
        out.push(text.push(await masked(masker, crossing, frame, breathe)))
        await breathe()
      }
      return Buffer.concat(out)
    },
    end() {
      // No reader takes half an event for one; it is text like what stands around it.
      const rest = text.push(decoder.end())
      return Buffer.concat([rest, text.end()])
    },
    check: crossing.check,
  }
}

async function masked(
  masker: Masker,
  crossing: Crossing,
  frame: SseFrame,
  breathe: Breathe,
): Promise<Buffer> {
  const { data, event, id } = frame
  if (data === undefined) return frame.raw
  const document = json(data)
  crossing.add(document ?? data)
  const out = document === undefined ? masker.text(data) : await maskJsonText(masker, data, breathe)
  const name = event && masker.text(event)
  if (out === data && name === event) return frame.raw
  const head = id === undefined ? '' : `id: ${masker.text(id)}\n`
  return Buffer.concat([Buffer.from(head), encodeSse(name, out)])
}

/** @returns `undefined` for text that is no document. */
function json(data: string): unknown {
  if (!/^\s*[[{]/.test(data)) return undefined
  try {
    return JSON.parse(data)
  } catch {
    return undefined // masked as text then, also without its escapes
  }
}
