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

/** Most blocks that are remembered as sent, about; then everything is forgotten, and sent again under new keys. */
const MAX_BLOCKS = 100_000

export function createSealer(
  options: SessionKeysOptions & { readonly max_blocks?: number },
): Sealer {
  const keys = createSessionKeys(options)
  const { max_blocks = MAX_BLOCKS } = options
  // Ids are commitments under a session's own key, so they need no other name.
  const sent = new Set<string>()

  function isNew(block: string): boolean {
    const known = sent.has(block)
    sent.add(block)
    return !known
  }

  function forget(): void {
    keys.forget()
    sent.clear()
  }

  return {
    seal(record) {
      if (record.kind === 'event') return { record: plainRecord(record) }
      // A block that came again under its old key would be another one than what the log says is kept.
      if (sent.size >= max_blocks) forget()
      const session_id =
        'session_id' in record ? record.session_id : record.request.context.session.id
      const { key, made } = keys.keyFor(session_id, record.connection)
      return { record: sealRecord(record, key, isNew), ...(made && { key: made }) }
    },
    forget,
  }
}
