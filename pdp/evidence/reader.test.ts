import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testIntent, testMaster, testOutcome } from '../../sealing/testing.ts'
import { createUnwrapper } from '../../sealing/wrapper.ts'
import type { JournalRecord } from '../contract/record.ts'
import type { SessionStep, Store } from '../store/store.ts'
import { openTestStore } from '../store/testing.ts'
import {
  createTestJournal,
  otherMaster,
  type TestBatch,
  testReader,
} from '../store/testing-frames.ts'
import { createReader, type Reader } from './reader.ts'

let store: Store
let owner: Sql
beforeAll(async () => {
  const opened = await openTestStore()
  ;({ store } = opened)
  owner = postgres(opened.url, { max: 1 })
})
afterAll(() => owner.end())

let sessions = 0
const newSession = (): string => `session-${(sessions += 1)}`

/** An operation of a session whose body is this. */
function intent(session: string, operation_id: string, body?: Uint8Array): JournalRecord {
  const { request } = testIntent()
  const context = { ...request.context, session: { id: session, label: `label of ${session}` } }
  return testIntent({
    operation_id,
    request: { ...request, context },
    exchange: { body_bytes: body?.length ?? 0, ...(body && { body }) },
  })
}

async function shipped(
  session: string,
  records: readonly JournalRecord[],
): Promise<{ readonly steps: readonly SessionStep[]; readonly batch: TestBatch }> {
  const batch = await (await createTestJournal()).ship(store, records)
  return { batch, steps: await stepsOf(session) }
}

async function stepsOf(session: string): Promise<readonly SessionStep[]> {
  const found = await store.sessions.steps(session, { limit: 100 })
  if (!found.ok) throw new Error('no such session')
  return found.steps
}

const open = (reader: Reader, step: SessionStep | undefined) =>
  reader.open(JSON.parse(step?.leaf ?? '') as Record<string, unknown>, step?.sealed)

const damaged = (message: RegExp) => ({
  ok: false,
  error: { code: 'damaged', message: expect.stringMatching(message) as string },
})

describe('a reader with the master key', () => {
  test('opens whole records, with blocks that came with other frames and bodies of any length', async () => {
    const session = newSession()
    const long = randomBytes(600_000)
    const records = [
      intent(session, 'o-1', long),
      intent(session, 'o-2', long),
      intent(session, 'o-3', Buffer.from('short')),
      intent(session, 'o-4'),
      testOutcome({ session_id: session, operation_id: 'o-4', headers: [['x', 'y']] }),
    ]
    const { steps, batch } = await shipped(session, records)
    // The second body is told by the blocks of the first.
    const sent = batch.records.map(({ content }) => content?.blocks.length)
    expect(sent).toEqual([3, 0, 0, 0, 0])
    expect(
      await owner`select count(*)::int from countersign.sealed_blocks
        where key_id = ${batch.records[0]?.content?.key ?? ''}`,
    ).toEqual([{ count: 3 }])
    for (const [at, record] of records.entries()) {
      const opened = await open(testReader(store), steps[at])
      expect(opened).toMatchObject({ ok: true, value: bytesAside(record) })
      if (opened.ok && 'exchange' in opened.value && 'exchange' in record)
        expect(
          Buffer.compare(
            opened.value.exchange.body ?? Buffer.alloc(0),
            record.exchange.body ?? Buffer.alloc(0),
          ),
        ).toBe(0)
    }
  })

  test('tells what the client calls its session', async () => {
    const session = newSession()
    const { batch } = await shipped(session, [intent(session, 'o-1')])
    const [record] = batch.records
    expect(await testReader(store).label(record!)).toBe(`label of ${session}`)
    expect(await testReader(store, otherMaster).label(record!)).toBeUndefined()
  })

  test('says that nothing was recorded of a leaf that is no step, and reads plain events', async () => {
    const reader = testReader(store)
    expect(await reader.open({ v: 1, kind: 'admin', time_ms: 1 }, undefined)).toMatchObject({
      error: { code: 'not_recorded' },
    })
    const session = newSession()
    const { steps } = await shipped(session, [intent(session, 'o-1')])
    const { content: _, ...leaf } = JSON.parse(steps[0]!.leaf) as Record<string, unknown>
    expect(await reader.open(leaf, undefined)).toMatchObject({ error: { code: 'not_recorded' } })
    const event = { kind: 'event', time_ms: 1, name: 'pep.alive', detail: {} }
    expect(await reader.open({ v: 1, source: {}, logged_ms: 1, ...event }, undefined)).toEqual({
      ok: true,
      value: event,
    })
  })
})

test('without the master key nothing opens, and the message says which one it takes', async () => {
  const session = newSession()
  const { steps, batch } = await shipped(session, [intent(session, 'o-1')])
  const none = createReader(store.keys, undefined)
  expect(await open(none, steps[0])).toMatchObject({ error: { code: 'no_key' } })
  const other = await open(testReader(store, otherMaster), steps[0])
  expect(other).toMatchObject({
    error: { code: 'no_key', message: expect.stringContaining(testMaster.id) as string },
  })
  await owner`alter table countersign.session_keys disable trigger session_keys_stay`
  await owner`delete from countersign.session_keys where id = ${batch.records[0]?.content?.key ?? ''}`
  await owner`alter table countersign.session_keys enable trigger session_keys_stay`
  expect(await open(testReader(store), steps[0])).toMatchObject({ error: { code: 'no_key' } })
})

test('a key that was put in the place of another opens nothing', async () => {
  const session = newSession()
  const { steps, batch } = await shipped(session, [intent(session, 'o-1')])
  const elsewhere = newSession()
  const other = await shipped(elsewhere, [intent(elsewhere, 'o-1')])
  await owner`alter table countersign.session_keys disable trigger session_keys_erase`
  await owner`update countersign.session_keys set wrapped = ${other.batch.taken.keys[0]!.wrapped}
    where id = ${batch.records[0]?.content?.key ?? ''}`
  await owner`alter table countersign.session_keys enable trigger session_keys_erase`
  expect(await open(testReader(store), steps[0])).toMatchObject({ error: { code: 'no_key' } })
})

test('an erased key opens nothing, also where it was used a moment ago once it is forgotten', async () => {
  const session = newSession()
  const { steps } = await shipped(session, [intent(session, 'o-1')])
  const reader = testReader(store)
  expect(await open(reader, steps[0])).toMatchObject({ ok: true })
  await store.erasure.erase({ session_id: session }, () => LEAF, 1)
  reader.forget()
  expect(await open(reader, steps[0])).toMatchObject({ error: { code: 'erased' } })
  const [after] = await stepsOf(session)
  expect(after?.sealed).toBeUndefined()
  expect(await open(testReader(store), after)).toMatchObject({ error: { code: 'erased' } })
})

describe('what is not what the leaf says is damaged', () => {
  const rowsOf = (batch: TestBatch) =>
    owner<{ seq: string; sealed: Buffer }[]>`
      select seq, sealed from countersign.sealed_records where epoch = ${batch.taken.epoch} order by seq`
  const replace = (batch: TestBatch, seq: number, sealed: Uint8Array) =>
    owner`update countersign.sealed_records set sealed = ${sealed}
      where epoch = ${batch.taken.epoch} and seq = ${seq}`

  test('when a bit of it was flipped, it was cut off, or is gone', async () => {
    const session = newSession()
    const { batch } = await shipped(session, [intent(session, 'o-1')])
    const [row] = await rowsOf(batch)
    const flipped = Buffer.from(row!.sealed)
    flipped[20]! ^= 1
    await replace(batch, 0, flipped)
    expect(await open(testReader(store), (await stepsOf(session))[0])).toMatchObject(
      damaged(/not those that the leaf names/),
    )
    await replace(batch, 0, row!.sealed.subarray(0, 10))
    expect(await open(testReader(store), (await stepsOf(session))[0])).toMatchObject(damaged(/./))
    await owner`delete from countersign.sealed_records where epoch = ${batch.taken.epoch}`
    expect(await open(testReader(store), (await stepsOf(session))[0])).toMatchObject(
      damaged(/missing/),
    )
  })

  test('when the content of two steps was exchanged, whoever changed the leaves as well', async () => {
    const session = newSession()
    const { batch, steps } = await shipped(session, [
      intent(session, 'o-1'),
      intent(session, 'o-2'),
    ])
    const [first, second] = await rowsOf(batch)
    await replace(batch, 0, second!.sealed)
    await replace(batch, 1, first!.sealed)
    const reader = testReader(store)
    for (const step of await stepsOf(session))
      expect(await open(reader, step)).toMatchObject(damaged(/not those that the leaf names/))
    // A leaf that names what is there, too: its commitment, or the content itself, tells.
    const [one, other] = steps.map(
      ({ leaf }) => JSON.parse(leaf) as { content: { sealed: string; commitment: string } },
    )
    const hashed = { ...one, content: { ...one!.content, sealed: other!.content.sealed } }
    expect(await reader.open(hashed, second!.sealed)).toMatchObject(damaged(/committed to/))
    const whole = { ...one, content: other!.content }
    expect(await reader.open(whole, second!.sealed)).toMatchObject(damaged(/another step/))
  })

  test('when it is of another session or connection than the key, whatever the leaf says', async () => {
    const session = newSession()
    const { steps } = await shipped(session, [intent(session, 'o-1')])
    const leaf = JSON.parse(steps[0]?.leaf ?? '') as Record<string, unknown>
    const reader = testReader(store)
    expect(await reader.open(leaf, steps[0]?.sealed)).toMatchObject({ ok: true })
    expect(
      await reader.open({ ...leaf, session_id: newSession() }, steps[0]?.sealed),
    ).toMatchObject(damaged(/another session/))
    // The key is found by its id; whose it is, is what the store was told first.
    const { content } = leaf as { content: { key: string } }
    const moved = createReader(
      {
        ...store.keys,
        async find(id) {
          const found = await store.keys.find(id)
          return id === content.key && found && found !== 'erased'
            ? { ...found, connection: 'another' }
            : found
        },
      },
      { unwrap: (key) => createUnwrapper(testMaster).unwrap({ ...key, connection: 'claude' }) },
    )
    expect(await open(moved, steps[0])).toMatchObject(damaged(/another connection/))
  })

  test('when blocks were exchanged, altered or are gone', async () => {
    const session = newSession()
    const { batch, steps } = await shipped(session, [intent(session, 'o-1', randomBytes(600_000))])
    const key = batch.records[0]?.content?.key ?? ''
    const blocks = await owner<{ block_id: string; sealed: Buffer }[]>`
      select block_id, sealed from countersign.sealed_blocks where key_id = ${key} order by block_id`
    const put = (at: number, sealed: Uint8Array) =>
      owner`update countersign.sealed_blocks set sealed = ${sealed}
        where key_id = ${key} and block_id = ${blocks[at]!.block_id}`
    await put(0, blocks[1]!.sealed)
    await put(1, blocks[0]!.sealed)
    expect(await open(testReader(store), steps[0])).toMatchObject(
      damaged(/another key, or altered/),
    )
    await put(0, blocks[0]!.sealed)
    await put(1, blocks[1]!.sealed)
    expect(await open(testReader(store), steps[0])).toMatchObject({ ok: true })
    const flipped = Buffer.from(blocks[2]!.sealed)
    flipped[flipped.length - 1]! ^= 1
    await put(2, flipped)
    expect(await open(testReader(store), steps[0])).toMatchObject(damaged(/altered/))
    await owner`delete from countersign.sealed_blocks
      where key_id = ${key} and block_id = ${blocks[2]!.block_id}`
    expect(await open(testReader(store), steps[0])).toMatchObject(damaged(/is not there/))
  })
})

const LEAF = {
  v: 1,
  kind: 'admin',
  time_ms: 1,
  source: { pdp: 'pdp' },
  name: 'erase',
} as const

/** Bodies are compared as bytes: what is read is of another class than what was written. */
function bytesAside(record: JournalRecord): object {
  if (!('exchange' in record)) return record
  const { body: _, ...exchange } = record.exchange
  return { ...record, exchange }
}
