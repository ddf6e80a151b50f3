import { randomBytes } from 'node:crypto'
import { pack } from 'msgpackr'
import { Registry } from 'prom-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { testIntent } from '../../sealing/testing.ts'
import { frameDigest, type RecordBatch, type SealedRecord } from '../contract/record.ts'
import { createPdpMetrics } from '../metrics.ts'
import { type Store, StoreError } from '../store/store.ts'
import { openTestStore } from '../store/testing.ts'
import { createTestJournal } from '../store/testing-frames.ts'
import { createRecords } from './records.ts'

let store: Store
beforeAll(async () => {
  ;({ store } = await openTestStore())
})

const intents = (count: number) =>
  Array.from({ length: count }, (_, at) => testIntent({ operation_id: `o-${at}` }))

function recordsOf(records = store.records) {
  const told: SealedRecord[] = []
  const log: string[] = []
  const made = createRecords({
    store: records,
    metrics: createPdpMetrics(new Registry()),
    onAppended: (appended) => void told.push(...appended),
    log: (level, event) => void log.push(`${level} ${event}`),
    now: () => 1,
  })
  return { ...made, told, log }
}

test('frames become leaves, and what is new is told once', async () => {
  const { append, told, log } = recordsOf()
  const { sent } = (await createTestJournal()).batch(intents(5))
  const before = await store.log.size()
  const first = { ...sent, frames: sent.frames.slice(0, 3) }
  expect(await append(first)).toEqual({ ok: true, value: { seq: 2 } })
  expect(told.map(operationOf)).toEqual(['o-0', 'o-1', 'o-2'])
  expect(await append(first)).toEqual({ ok: true, value: { seq: 2 } })
  expect(await append(sent)).toEqual({ ok: true, value: { seq: 4 } })
  expect(told.map(operationOf)).toEqual(['o-0', 'o-1', 'o-2', 'o-3', 'o-4'])
  expect(await store.log.size()).toBe(before + 5)
  expect(log).toEqual([])
})

const operationOf = ({ step }: SealedRecord) => 'operation_id' in step && step.operation_id

describe('a batch is refused whole', () => {
  const altered = (
    batch: RecordBatch,
    at: number,
    change: (frame: RecordBatch['frames'][number]) => Partial<RecordBatch['frames'][number]>,
  ): RecordBatch => ({
    ...batch,
    frames: batch.frames.map((frame, n) => (n === at ? { ...frame, ...change(frame) } : frame)),
  })
  /** With a digest that fits. */
  const withPayload = (prev: Uint8Array, payload: Uint8Array) => ({
    payload,
    digest: frameDigest(prev, payload),
  })

  test.each<[string, (batch: RecordBatch) => RecordBatch, RegExp]>([
    [
      'when a payload is not what its digest says',
      (batch) =>
        altered(batch, 1, ({ payload }) => ({ payload: Buffer.concat([payload, Buffer.of(0)]) })),
      /does not match its digest/,
    ],
    [
      'when a digest was altered',
      (batch) => altered(batch, 2, () => ({ digest: randomBytes(32) })),
      /does not match its digest/,
    ],
    [
      'when a frame is left out',
      (batch) => ({ ...batch, frames: batch.frames.filter((_, at) => at !== 1) }),
      /does not follow 0/,
    ],
    [
      'when frames do not continue each other',
      (batch) =>
        altered(batch, 1, ({ payload }) => {
          const prev = randomBytes(32)
          return { prev, ...withPayload(prev, payload) }
        }),
      /breaks the chain/,
    ],
    [
      'when it begins later than the log ends',
      (batch) => ({ ...batch, frames: batch.frames.slice(1) }),
      /frame 0 comes next/,
    ],
    [
      'when a payload is no MessagePack',
      (batch) =>
        altered({ ...batch, frames: batch.frames.slice(0, 1) }, 0, ({ prev }) =>
          withPayload(prev, Buffer.of(0xc1)),
        ),
      /is not a record/,
    ],
    [
      'when a record has a member too many',
      (batch) =>
        altered({ ...batch, frames: batch.frames.slice(0, 1) }, 0, ({ prev }) =>
          withPayload(prev, pack({ v: 2, step: EVENT, more: 1 })),
        ),
      /is not a record/,
    ],
    [
      'when a step claims to be of the service',
      (batch) =>
        altered({ ...batch, frames: batch.frames.slice(0, 1) }, 0, ({ prev }) =>
          withPayload(prev, pack({ v: 2, step: { kind: 'admin', time_ms: 1, name: 'unmask' } })),
        ),
      /is not a record/,
    ],
    [
      'when a step has a member of the log’s own',
      (batch) =>
        altered({ ...batch, frames: batch.frames.slice(0, 1) }, 0, ({ prev }) =>
          withPayload(prev, pack({ v: 2, step: { ...EVENT, logged_ms: 1 } })),
        ),
      /is not a record/,
    ],
  ])('%s', async (_, change, message) => {
    const { append, told } = recordsOf()
    const { sent } = (await createTestJournal()).batch(intents(3))
    const before = await store.log.size()
    const answer = await append(change(sent))
    expect(answer).toMatchObject({ ok: false, error: { code: 'PDP_REFUSED' } })
    expect(!answer.ok && answer.error.message).toMatch(message)
    expect(told).toEqual([])
    expect(await store.log.size()).toBe(before)
  })
})

const EVENT = { kind: 'event', time_ms: 1, name: 'pep.alive', detail: {} }

test('a journal that was changed is a conflict, which is told and counted', async () => {
  const { append, conflicts, told, log } = recordsOf()
  const epoch = 'of-both'
  const { sent } = (await createTestJournal({ epoch })).batch(intents(2))
  const { sent: other } = (await createTestJournal({ epoch })).batch(intents(3))
  await append(sent)
  expect(await append(other)).toMatchObject({ ok: false, error: { code: 'PDP_RECORD_CONFLICT' } })
  expect(conflicts()).toBe(1)
  expect(log).toEqual(['error records.conflict'])
  expect(told).toHaveLength(2)
})

test('while the store does not answer nothing is acknowledged', async () => {
  const away = () => Promise.reject(new StoreError('STORE_UNAVAILABLE', 'away'))
  const { append, told } = recordsOf({ ...store.records, append: away })
  const { sent } = (await createTestJournal()).batch(intents(1))
  expect(await append(sent)).toMatchObject({ ok: false, error: { code: 'PDP_UNAVAILABLE' } })
  expect(told).toEqual([])
})
