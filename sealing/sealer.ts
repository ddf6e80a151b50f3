import type { JournalRecord, SealedRecord, WrappedKey } from '../pdp/contract/record.ts'
import { plainRecord, sealRecord } from './content.ts'
import { createSessionKeys, type SessionKeysOptions } from './session-keys.ts'

export type Sealed = {
  readonly record: SealedRecord
  /** Its key, when it is new: to be on disk before the record is. */
  readonly key?: WrappedKey
}

/** Seals the records of an enforcement point. */
export type Sealer = {
  /** @throws whatever msgpackr throws for what it cannot encode; call `forget` then. */
  readonly seal: (record: JournalRecord) => Sealed
  /**
   * What was sealed so far may not have reached the disk: keys are made anew and blocks are sent again. To be called when
   * an epoch begins and when a sealed record could not be appended; otherwise later records would hang on what is not there.
   */
  readonly forget: () => void
}

/** Most blocks that are remembered as sent; one that was forgotten is sent again, and stored once. */
const MAX_BLOCKS = 100_000

export function createSealer(
  options: SessionKeysOptions & { readonly max_blocks?: number },
): Sealer {
  const keys = createSessionKeys(options)
  const { max_blocks = MAX_BLOCKS } = options
  // In the order of their last use. Ids are commitments under a session's own key, so they need no other name.
  const sent = new Set<string>()

  function isNew(block: string): boolean {
    const known = sent.delete(block)
    const [oldest] = sent
    if (oldest !== undefined && sent.size >= max_blocks) sent.delete(oldest)
    sent.add(block)
    return !known
  }

  return {
    seal(record) {
      if (record.kind === 'event') return { record: plainRecord(record) }
      const session_id =
        'session_id' in record ? record.session_id : record.request.context.session.id
      const { key, made } = keys.keyFor(session_id, record.connection)
      return { record: sealRecord(record, key, isNew), ...(made && { key: made }) }
    },
    forget() {
      keys.forget()
      sent.clear()
    },
  }
}
