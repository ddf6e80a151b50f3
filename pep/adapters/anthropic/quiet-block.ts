import { isFixed, isSigned } from '../../facts/anthropic-fields.ts'
import type { SseFrame } from '../../mask/sse.ts'
import type { TextMasker } from '../../mask/text.ts'
import type { Block } from './block.ts'
import { isObject, type JsonObject, own } from './events.ts'
import { ReplyCut, type ReplyParts, SIGNED_FINDING } from './reply.ts'

/** A field of a block's deltas: what came, and what of it may go out. */
type Channel = {
  readonly type: string
  readonly masker: TextMasker
  readonly signed: boolean
  came: string
  out: string
}

/**
 * A block where policy masks nothing: only the injected credential is looked for. Events go out as they came; where one
 * ends in what may be the beginning of the credential, it waits whole for the next.
 */
export function quietBlock(parts: ReplyParts, index: number, text: boolean): Block {
  const channels = new Map<string, Channel>()
  /** Events that wait, oldest first. */
  let frames: Buffer[] = []

  function channel(type: string, field: string): Channel {
    const known = channels.get(field)
    if (known) return known
    const signed = isSigned(field, { type })
    const made = { type, masker: parts.mask.text(), signed, came: '', out: '' }
    channels.set(field, made)
    return made
  }

  function delta(event: JsonObject, frame: SseFrame): Buffer {
    const change = event['delta']
    if (!isObject(change) || typeof change['type'] !== 'string')
      throw new ReplyCut('a delta has no type')
    const { type, ...fields } = change
    for (const [field, value] of Object.entries(fields)) {
      if (typeof value !== 'string') continue
      if (!isSigned(field, { type }) && isFixed(field, fields, value)) continue
      const one = channel(type, field)
      one.came += value
      one.out += one.masker.push(value)
    }
    frames.push(frame.raw)
    // The signature ends the thinking.
    if (type === 'signature_delta') end()
    return settled()
  }

  function end(): void {
    for (const one of channels.values()) one.out += one.masker.end()
  }

  /** Everything that waits, when nothing of it can become the credential any more. */
  function settled(): Buffer {
    const all = [...channels]
    if (all.some(([, { masker }]) => masker.held > 0)) return Buffer.alloc(0)
    const changed = all.filter(([, one]) => one.out !== one.came)
    if (changed.some(([, { signed }]) => signed)) throw new ReplyCut(SIGNED_FINDING)
    const same = Buffer.concat(frames)
    frames = []
    const out =
      changed.length === 0
        ? same
        : Buffer.concat(
            all.flatMap(([field, one]) =>
              one.out === ''
                ? []
                : [
                    own('content_block_delta', {
                      index,
                      delta: { type: one.type, [field]: one.out },
                    }),
                  ],
            ),
          )
    for (const [, one] of all) one.came = one.out = ''
    return out
  }

  return {
    held: false,
    text,
    delta,
    tally: () =>
      channels.forEach(({ masker }) => parts.findings.add(masker.counts, parts.altering)),
    stop(frame) {
      end()
      const rest = settled()
      channels.forEach(({ masker }) => parts.findings.add(masker.counts, parts.altering))
      return Promise.resolve({ out: Buffer.concat([rest, frame.raw]) })
    },
  }
}
