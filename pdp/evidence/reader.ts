import { hash } from 'node:crypto'
import { type ContentKey, contentKey } from '../../sealing/envelope.ts'
import { openLabel, openRecord } from '../../sealing/content.ts'
import type { Unwrapper } from '../../sealing/wrapper.ts'
import type { JournalRecord, SealedRecord } from '../contract/record.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { step } from '../contract/step.ts'
import type { KeyStore } from '../store/store.ts'

/** Why content cannot be read. The leaf stands all the same. */
export type Unreadable = {
  readonly code:
    /** Its key was deleted, for good. */
    | 'erased'
    /** Its key is not there (yet), or no master key of ours opens it. */
    | 'no_key'
    /** It is not what the leaf says, or bytes are missing. */
    | 'damaged'
    /** There never was any. */
    | 'not_recorded'
  readonly message: string
}

/** With whose content it is for. */
type OwnedKey = ContentKey & { readonly session_id: string; readonly connection: string }

/** Opens sealed content. */
export type Reader = {
  /**
   * @param leaf its text, parsed.
   * @param sealed as stored; what it must be, the leaf says.
   */
  readonly open: (
    leaf: Readonly<Record<string, unknown>>,
    sealed: Uint8Array | undefined,
  ) => Promise<Result<JournalRecord, Unreadable>>
  /** What the client calls the session of a record that came just now; `undefined` when nobody here can tell. */
  readonly label: (record: SealedRecord) => Promise<string | undefined>
  /** Forgets keys: some were erased. */
  readonly forget: () => void
}

/** Most data keys that are kept unwrapped, and how long: one that is erased meanwhile opens nothing after that. */
const MAX_KEPT = 1_000
const KEEP_MS = 10_000

/** @param unwrapper absent where this service has no master key: then nothing is opened. */
export function createReader(keys: KeyStore, unwrapper: Unwrapper | undefined): Reader {
  const kept = new Map<string, { readonly key: OwnedKey; readonly until_ms: number }>()

  async function keyOf(id: string): Promise<Result<OwnedKey, Unreadable>> {
    const known = kept.get(id)
    if (known && known.until_ms > performance.now()) return ok(known.key)
    kept.delete(id)
    const found = await keys.find(id)
    if (found === 'erased') return unreadable('erased', `its key ${id} was erased`)
    if (!found) return unreadable('no_key', `its key ${id} is not there`)
    if (!unwrapper) return unreadable('no_key', 'this service has no master key')
    const secret = await unwrapper.unwrap(found)
    if (!secret.ok) return unreadable('no_key', secret.error)
    const { session_id, connection } = found
    const key = { ...contentKey(id, secret.value), session_id, connection }
    const [oldest] = kept.keys()
    if (oldest !== undefined && kept.size >= MAX_KEPT) kept.delete(oldest)
    kept.set(id, { key, until_ms: performance.now() + KEEP_MS })
    return ok(key)
  }

  async function openContent(record: SealedRecord): Promise<Result<JournalRecord, Unreadable>> {
    if (record.step.kind === 'event') return ok(record.step)
    const { content } = record
    if (!content) return unreadable('not_recorded', 'no content was recorded')
    const key = await keyOf(content.key)
    if (!key.ok) return key
    // Who may see one session, or has erased it, has not said so of another.
    if (key.value.session_id !== record.step.session_id)
      return unreadable('damaged', 'it is sealed under the key of another session')
    const opened = await openRecord(record, key.value, (block) => keys.block(content.key, block))
    if (!opened.ok) return unreadable('damaged', opened.error)
    if ('connection' in opened.value && opened.value.connection !== key.value.connection)
      return unreadable('damaged', 'it is sealed under the key of another connection')
    return opened
  }

  return {
    async label(record) {
      if (!record.content?.label) return undefined
      const key = await keyOf(record.content.key)
      return key.ok ? openLabel(record, key.value) : undefined
    },
    forget: () => kept.clear(),
    async open({ v: _, source: _source, logged_ms: _logged, content, ...rest }, sealed) {
      const read = step.safeParse(rest)
      if (!read.success) return unreadable('not_recorded', 'it is no step of an enforcement point')
      const named = content as { key: string; commitment: string; sealed: string } | undefined
      if (!named) return openContent({ v: 2, step: read.data })
      const key = await keyOf(named.key)
      // Before what is missing: that it was erased says why it is.
      if (!key.ok) return key
      if (!sealed) return unreadable('damaged', 'its sealed bytes are missing')
      if (hash('sha256', sealed) !== named.sealed)
        return unreadable('damaged', 'its sealed bytes are not those that the leaf names')
      const { key: id, commitment } = named
      return openContent({
        v: 2,
        step: read.data,
        content: { key: id, commitment, sealed, blocks: [] },
      })
    },
  }
}

const unreadable = (code: Unreadable['code'], message: string): Result<never, Unreadable> =>
  err({ code, message })
