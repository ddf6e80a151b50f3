import { MIN_BLOCK_BYTES } from '../../../sealing/blocks.ts'

const QUOTE = 34
const ESCAPE = 92

/**
 * Where to cut the body of a Messages API request so that a conversation that is sent again, one turn longer, has the
 * same blocks: where `messages` begins and ends, and in between behind messages, several together until they are worth
 * a block. They are counted from the front, so what comes later does not move a cut.
 * @param body JSON, as it was parsed before; of anything else the cuts mean nothing, and do no harm.
 * @returns offsets in bytes, ascending.
 */
export function messageCuts(body: Uint8Array): number[] {
  // One character a byte: offsets are those of the body.
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const cuts: number[] = []
  let depth = 0
  let within = false
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at)
        if (end === undefined) return cuts
        const begin = depth === 1 && text.startsWith('"messages"', at) ? afterColon(text, end) : -1
        at = end - 1
        if (begin < 0 || text[begin] !== '[') break
        within = true
        depth += 1
        at = begin
        cuts.push(begin + 1)
        break
      }
      case 123: // {
      case 91: // [
        depth += 1
        break
      case 125: // }
      case 93: // ]
        depth -= 1
        if (within && depth === 1) {
          within = false
          cuts.push(at)
        } else if (within && depth === 2 && at + 1 - (cuts.at(-1) ?? 0) >= MIN_BLOCK_BYTES) {
          cuts.push(at + 1)
        }
        break
      default:
    }
  }
  return cuts
}

/** @param at of its opening quote. @returns where it is over; `undefined` when it is not. */
function endOfString(text: string, at: number): number | undefined {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === ESCAPE) slashes += 1
    if (slashes % 2 === 0) return end + 1
  }
  return undefined
}

/** @returns where the value of a key begins. */
function afterColon(text: string, end: number): number {
  let at = end
  while (/[\s:]/.test(text.charAt(at))) at += 1
  return at
}
