import { expect, test } from 'vitest'
import { plainRecord } from '../../sealing/content.ts'
import { testIntent, testOutcome, testSealer } from '../../sealing/testing.ts'
import type { JournalRecord } from '../contract/record.ts'
import { StoreError } from '../store/store.ts'
import { createLabels } from './labels.ts'

const sealer = await testSealer()

function intent(session_id: string, label?: string): JournalRecord {
  const { request } = testIntent()
  const session = { id: session_id, ...(label !== undefined && { label }) }
  return testIntent({ request: { ...request, context: { ...request.context, session } } })
}

type Noted = readonly [session: string, label: string]

/** @param labelOf in place of a reader with a key. */
function labels(
  labelOf: (operation: string) => string | undefined,
  note: (noted: Noted) => Promise<void> = () => Promise.resolve(),
) {
  const noted: Noted[] = []
  const log: string[] = []
  const told = createLabels(
    {
      open: () => Promise.reject(new Error('nothing is opened for a label')),
      label: (record) =>
        Promise.resolve('session_id' in record.step ? labelOf(record.step.session_id) : undefined),
      forget: () => undefined,
    },
    {
      label: async (session, label) => {
        await note([session, label])
        noted.push([session, label])
      },
    },
    (level, event) => void log.push(`${level} ${event}`),
  )
  const tell = (records: readonly JournalRecord[]) =>
    told(records.map((record) => sealer.seal(record).record))
  return { tell, noted, log }
}

test('each label of each session is noted once', async () => {
  const { tell, noted, log } = labels((session) =>
    session === 's-3' ? undefined : `of ${session}`,
  )
  tell([intent('s-1', 'x'), intent('s-1', 'x'), intent('s-2', 'x'), intent('s-3'), testOutcome()])
  await expect.poll(() => noted).toHaveLength(2)
  tell([intent('s-1', 'x'), intent('s-4', 'x')])
  await expect.poll(() => noted).toHaveLength(3)
  expect(noted).toEqual([
    ['s-1', 'of s-1'],
    ['s-2', 'of s-2'],
    ['s-4', 'of s-4'],
  ])
  expect(log).toEqual([])
})

test('one that could not be noted is noted with the next record', async () => {
  let fails = 1
  const { tell, noted, log } = labels(
    () => 'a',
    () =>
      fails-- > 0 ? Promise.reject(new StoreError('STORE_UNAVAILABLE', 'away')) : Promise.resolve(),
  )
  tell([intent('s-1', 'a')])
  await expect.poll(() => log).toEqual(['warn sessions.label_failed'])
  tell([intent('s-1', 'a')])
  await expect.poll(() => noted).toEqual([['s-1', 'a']])
})

test('an event has none', () => {
  const { step } = plainRecord({ kind: 'event', time_ms: 1, name: 'pep.alive', detail: {} })
  expect('session_id' in step).toBe(false)
})
