import type { DecisionId, Revision } from '../pdp/contract/brand.ts'
import type { JournalRecord, SealedRecord, WrappedKey } from '../pdp/contract/record.ts'
import { openRecord } from './content.ts'
import { type ContentKey, contentKey } from './envelope.ts'
import { masterKeyOf } from './master-key.ts'
import { createSealer, type Sealer } from './sealer.ts'
import { createUnwrapper, createWrapper } from './wrapper.ts'

/** What tests of sealed records share. */

export const testMaster = masterKeyOf(new Uint8Array(32).fill(7))

/** A sealer under the tests' master key. */
export const testSealer = async (
  options: Partial<Parameters<typeof createSealer>[0]> = {},
): Promise<Sealer> =>
  createSealer({ wrapper: await createWrapper(testMaster), now: Date.now, ...options })

const { unwrap } = createUnwrapper(testMaster)

/** The key that the tests' master key wrapped. @throws {Error} when it is not one. */
export async function unwrapped(key: WrappedKey): Promise<ContentKey> {
  const secret = await unwrap(key)
  if (!secret.ok) throw new Error(secret.error)
  return contentKey(key.id, secret.value)
}

/** Opens records with the keys and blocks that came with all of them. @throws {Error} for one that does not open. */
export async function openAll(
  records: readonly SealedRecord[],
  keys: Iterable<WrappedKey>,
): Promise<JournalRecord[]> {
  const byId = new Map<string, ContentKey>()
  for (const key of keys) byId.set(key.id, await unwrapped(key))
  const blocks = new Map(
    records.flatMap(({ content }) => content?.blocks.map(({ id, sealed }) => [id, sealed]) ?? []),
  )
  const opened: JournalRecord[] = []
  for (const record of records) {
    const key = byId.get(record.content?.key ?? '') ?? contentKey('', new Uint8Array(32))
    const result = await openRecord(record, key, (id) => Promise.resolve(blocks.get(id)))
    if (!result.ok) throw new Error(result.error)
    opened.push(result.value)
  }
  return opened
}

type Intent = Extract<JournalRecord, { kind: 'intent' }>

/** An operation that was allowed, of session `s-1` on connection `claude`. */
export function testIntent(more: Partial<Intent> = {}): Intent {
  return {
    kind: 'intent',
    operation_id: 'op-1',
    time_ms: 1_700_000_000_000,
    connection: 'claude',
    request: {
      subject: {
        type: 'agent',
        id: 'agent-1',
        properties: { issuer: 'https://issuer', groups: [], scopes: [], claims: {} },
      },
      action: { name: 'http.request' },
      resource: {
        type: 'http.path',
        id: '/customers',
        properties: { connection: 'claude', kind: 'http' },
      },
      context: {
        time_ms: 1_700_000_000_000,
        session: { id: 's-1' },
        source: {},
        facts: { detectors: {}, phrases: [], paths: {}, incomplete: [] },
        facts_revision: '0'.repeat(64) as Revision,
      },
    },
    decision: {
      id: 'decision-1' as DecisionId,
      effect: 'allow',
      reasons: [{ rule: 'a_rule', message: 'allowed' }],
      obligations: [],
      revision: '0'.repeat(64) as Revision,
    },
    exchange: { method: 'POST', target: '/customers', body_bytes: 0 },
    masked: {},
    observed: {},
    ...more,
  }
}

/** How it ended. */
export function testOutcome(
  more: Partial<Extract<JournalRecord, { kind: 'outcome' }>> = {},
): Extract<JournalRecord, { kind: 'outcome' }> {
  return {
    kind: 'outcome',
    operation_id: 'op-1',
    time_ms: 1_700_000_000_001,
    session_id: 's-1',
    connection: 'claude',
    result: 'completed',
    bytes_in: 0,
    bytes_out: 0,
    masked: {},
    observed: {},
    ...more,
  }
}
