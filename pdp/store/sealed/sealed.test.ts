import { hash, randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testIntent } from '../../../sealing/testing.ts'
import type { JournalRecord } from '../../contract/record.ts'
import type { Store } from '../store.ts'
import { openTestStore } from '../testing.ts'
import { createTestJournal, testReader } from '../testing-frames.ts'

let store: Store
let owner: Sql
beforeAll(async () => {
  const opened = await openTestStore()
  ;({ store } = opened)
  owner = postgres(opened.url, { max: 1 })
})
afterAll(() => owner.end())

function intent(session: string, operation_id: string, body: Uint8Array): JournalRecord {
  const { request } = testIntent()
  const context = { ...request.context, session: { id: session } }
  const exchange = { body_bytes: body.length, body }
  return testIntent({ operation_id, request: { ...request, context }, exchange })
}

const erase = (session_id: string) =>
  store.erasure.erase(
    { session_id },
    () => ({ v: 1, kind: 'admin', time_ms: 1, source: { pdp: 'pdp' }, name: 'erase' }),
    1,
  )

async function countOf(key: string) {
  const [row] = await owner<{ records: number; blocks: number }[]>`
    select (select count(*)::int from countersign.sealed_records where key_id = ${key}) as records,
      (select count(*)::int from countersign.sealed_blocks where key_id = ${key}) as blocks`
  return row
}

test('a block that comes again is kept once, as it came first', async () => {
  const journal = await createTestJournal()
  const body = randomBytes(300_000)
  const first = await journal.ship(store, [intent('s-1', 'o-1', body)])
  const content = first.records[0]!.content!
  expect(await countOf(content.key)).toEqual({ records: 1, blocks: 2 })
  // An enforcement point that forgot what it sent sends it again, in the frame of another record.
  const again = journal.batch([intent('s-1', 'o-2', body)]).taken
  const frames = again.frames.map((frame) => ({
    ...frame,
    content: {
      ...frame.content!,
      blocks: content.blocks.map(({ id }) => ({ id, sealed: Buffer.from('another') })),
    },
  }))
  expect(await store.records.append({ ...again, frames })).toMatchObject({ ok: true, fresh: 1 })
  expect(await countOf(content.key)).toEqual({ records: 2, blocks: 2 })
  for (const { id, sealed } of content.blocks)
    expect(Buffer.compare((await store.keys.block(content.key, id))!, sealed)).toBe(0)
})

test('content that arrives under an erased key is not kept, and its leaf is', async () => {
  const journal = await createTestJournal()
  const first = await journal.ship(store, [intent('s-2', 'o-1', randomBytes(300_000))])
  const { key } = first.records[0]!.content!
  expect(await erase('s-2')).toEqual({ keys: 1, approvals: 0 })
  expect(await countOf(key)).toEqual({ records: 0, blocks: 0 })
  const before = await store.log.size()
  const late = await journal.ship(store, [intent('s-2', 'o-2', randomBytes(300_000))])
  expect(late.records[0]!.content!.key).toBe(key)
  expect(await countOf(key)).toEqual({ records: 0, blocks: 0 })
  expect(await store.log.size()).toBe(before + 1)
  const [leaf] = await store.log.leaves(before, 1)
  const read = JSON.parse(leaf!.leaf) as Record<string, unknown>
  expect(read['content']).toMatchObject({ key })
  expect(await testReader(store).open(read, undefined)).toMatchObject({ error: { code: 'erased' } })
})

test('a key that is shipped again after it was erased stays erased', async () => {
  const journal = await createTestJournal()
  const first = await journal.ship(store, [intent('s-3', 'o-1', randomBytes(9))])
  const { keys } = first.taken
  await erase('s-3')
  const late = journal.batch([intent('s-3', 'o-2', randomBytes(9))]).taken
  expect(await store.records.append({ ...late, keys })).toMatchObject({ ok: true })
  expect(await store.keys.find(keys[0]!.id)).toBe('erased')
  // Also with the frames that it came with.
  expect(await store.records.append(first.taken)).toMatchObject({ ok: true, fresh: 0 })
  expect(await store.keys.find(keys[0]!.id)).toBe('erased')
  expect(await countOf(keys[0]!.id)).toEqual({ records: 0, blocks: 0 })
})

test('a key that comes with frames that are there already is kept: whoever sent it deletes it', async () => {
  const journal = await createTestJournal()
  // The answer to this was lost, and the key of what comes next goes along when it is sent again.
  const first = await journal.ship(store, [intent('s-7', 'o-1', randomBytes(9))])
  const next = journal.batch([intent('s-8', 'o-2', randomBytes(9))]).taken
  const [key] = next.keys
  const again = { ...first.taken, keys: [...first.taken.keys, ...next.keys] }
  expect(await store.records.append(again)).toMatchObject({ ok: true, fresh: 0 })
  expect(await store.keys.find(key!.id)).toMatchObject({ id: key!.id })
  // Also without any frame.
  const other = journal.batch([intent('s-9', 'o-3', randomBytes(9))]).taken
  expect(await store.records.append({ ...other, frames: [] })).toMatchObject({ ok: true, fresh: 0 })
  expect(await store.keys.find(other.keys[0]!.id)).toMatchObject({ session_id: 's-9' })
})

test('a key is found as it came, and none that never came', async () => {
  const journal = await createTestJournal()
  const { taken } = await journal.ship(store, [intent('s-4', 'o-1', randomBytes(9))])
  const [key] = taken.keys
  const found = await store.keys.find(key!.id)
  expect(found).toEqual({ ...key, wrapped: Buffer.from(key!.wrapped) })
  expect(await store.keys.find('0'.repeat(32))).toBeUndefined()
})

test('a batch that is refused leaves nothing behind, neither keys nor content', async () => {
  const journal = await createTestJournal()
  journal.batch([intent('s-5', 'o-1', randomBytes(300_000))])
  const { taken } = journal.batch([intent('s-5', 'o-2', randomBytes(300_000))])
  const other = await createTestJournal()
  const { keys } = other.batch([intent('s-6', 'o-1', randomBytes(9))]).taken
  expect(await store.records.append({ ...taken, keys })).toEqual({ ok: false, expected: 0 })
  expect(await store.keys.find(keys[0]!.id)).toBeUndefined()
  expect(await countOf(taken.frames[0]!.content!.key)).toEqual({ records: 0, blocks: 0 })
})

test('sealed bytes are found by what leaves name, and of what was erased there are none', async () => {
  const journal = await createTestJournal()
  const body = randomBytes(600_000)
  const from = await store.log.size()
  const { records } = await journal.ship(store, [
    intent('s-7', 'o-1', body),
    intent('s-7', 'o-2', Buffer.from('short')),
  ])
  const named = records.map(({ content }, at) => ({
    index: from + at,
    key: content!.key,
    blocks: content!.blocks.map(({ sealed }) => hash('sha256', sealed)),
  }))
  const found = await store.keys.sealed([...named, { ...named[1]!, index: from + 9 }])
  expect([...found.keys()]).toEqual([from, from + 1])
  for (const [at, { content }] of records.entries()) {
    const one = found.get(from + at)
    expect(Buffer.compare(one!.sealed!, content!.sealed)).toBe(0)
    expect(new Set(one?.blocks.map((block) => hash('sha256', block)))).toEqual(
      new Set(named[at]!.blocks),
    )
  }
  // Nobody is given blocks of another key by their hash.
  const stolen = await store.keys.sealed([{ ...named[0]!, key: '0'.repeat(32) }])
  expect(stolen.get(from)?.blocks).toEqual([])
  await erase('s-7')
  expect((await store.keys.sealed(named)).size).toBe(0)
})
