import type { SseFrame } from '../../mask/sse.ts'
import type { JsonObject } from './events.ts'
import type { TextRun } from './text-run.ts'

/** One content block of a streamed reply, between its start and its stop. */
export type Block = {
  /** Nothing of it was sent: a tool call that is not decided yet. */
  readonly held: boolean
  /** Its reader takes text, so a notice can be added to it. */
  readonly text: boolean
  /** @returns what of the event can go out now. @throws {ReplyCut | PepMaskError} */
  readonly delta: (event: JsonObject, frame: SseFrame) => Buffer
  /** Ends the block. @param ping keeps the client while somebody decides. */
  readonly stop: (frame: SseFrame, ping: () => void) => Promise<BlockEnd>
  /** Text that may go on in the next block, see `TextRun`. */
  readonly run?: TextRun
  /** Counts what was found, also when the block is cut. */
  readonly tally: () => void
}

export type BlockEnd = { readonly out: Buffer; readonly call?: 'released' | 'refused' }
