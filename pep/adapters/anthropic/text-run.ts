import type { SseFrame } from '../../mask/sse.ts'
import { own } from './events.ts'
import type { ReplyParts } from './reply.ts'

/**
 * Text blocks that follow each other, which citations make of one text: to whoever reads it a value may begin in one
 * and end in the next. When a block ends while something in it may still become a finding, its end waits until that is
 * known, and what belongs to the blocks behind it waits with it. Bounded as a block is: by the detectors.
 */
export type TextRun = {
  /** Begins the next block, with the event that says so. */
  readonly begin: (index: number, start: Buffer) => Buffer
  /** Text of the open block, with the event that it came in. */
  readonly push: (text: string, frame: SseFrame) => Buffer
  /** Another event of the open block. */
  readonly pass: (bytes: Buffer) => Buffer
  /** Ends the open block. */
  readonly stop: (frame: SseFrame) => Buffer
  /** No text follows. */
  readonly end: () => Buffer
  /** The reply is cut: what waits of events, without the text that waits. */
  readonly abandon: () => Buffer
  readonly tally: () => void
}

/** A block whose text is not all out, and what goes out behind it. */
type Slot = { readonly index: number; readonly behind: Buffer[] }

export function createTextRun(parts: ReplyParts): TextRun {
  const masker = parts.mask.text()
  const restorer = parts.restorer?.()
  /** The first is the one whose text comes out next, the last the one that is read. */
  const slots: Slot[] = []

  /** @param frame the event that the text came in, which goes out as it came when nothing about it changed. */
  function out(text: string, frame?: { readonly raw: Buffer; readonly text: string }): Buffer {
    const { marks } = masker
    const pieces: Buffer[] = []
    let from = 0
    const tell = (to: number): void => {
      const [slot] = slots
      const piece = text.slice(from, to)
      from = to
      if (!slot || piece === '') return
      const same = frame?.text === piece && slots.length === 1
      const delta = { type: 'text_delta', text: piece }
      pieces.push(same ? frame.raw : own('content_block_delta', { index: slot.index, delta }))
    }
    for (const mark of marks) {
      tell(mark)
      pieces.push(...(slots.shift()?.behind ?? []))
    }
    tell(text.length)
    return Buffer.concat(pieces)
  }

  return {
    begin(index, start) {
      const before = slots.at(-1)
      slots.push({ index, behind: [] })
      if (before === undefined) return start
      before.behind.push(start)
      return Buffer.alloc(0)
    },
    push(text, { raw }) {
      const shown = restorer ? restorer.push(text) : text
      return out(masker.push(shown), { raw, text })
    },
    pass(bytes) {
      // Behind the start of its block, when that has not come out.
      if (slots.length <= 1) return bytes
      slots.at(-2)?.behind.push(bytes)
      return Buffer.alloc(0)
    },
    stop(frame) {
      const rest = restorer ? out(masker.push(restorer.end())) : Buffer.alloc(0)
      slots.at(-1)?.behind.push(frame.raw)
      return Buffer.concat([rest, out(masker.mark())])
    },
    end() {
      const rest = restorer ? out(masker.push(restorer.end())) : Buffer.alloc(0)
      return Buffer.concat([rest, out(masker.end())])
    },
    abandon: () => Buffer.concat(slots.splice(0).flatMap(({ behind }) => behind)),
    tally: () => parts.findings.add(masker.counts, parts.altering),
  }
}
