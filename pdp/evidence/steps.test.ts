import { randomUUID } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testIntent, testMaster, testOutcome } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import { type ApprovalVault, createApprovalVault } from '../approvals/vault.ts'
import { actionDigest, type CanonicalAction } from '../contract/action.ts'
import type { ChunkRecord, JournalRecord, OutcomeRecord } from '../contract/record.ts'
import { err, ok } from '../contract/result.ts'
import type { SessionStep, Store } from '../store/store.ts'
import { openTestStore } from '../store/testing.ts'
import { createTestJournal, otherMaster, testReader } from '../store/testing-frames.ts'
import { createSteps, type ShownStep, textual } from './steps.ts'
import type { ViewMask } from './view-mask.ts'

let store: Store
let owner: Sql
let vault: ApprovalVault
beforeAll(async () => {
  const opened = await openTestStore()
  ;({ store } = opened)
  owner = postgres(opened.url, { max: 1 })
  vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
})
afterAll(() => owner.end())

const SSN = '078-05-1120'

/** Masks the one number in every text and body. */
const masking: ViewMask = (record) => {
  const masked = (value: unknown): unknown => {
    if (value instanceof Uint8Array)
      return Buffer.from(Buffer.from(value).toString('latin1').replaceAll(SSN, '[ssn]'), 'latin1')
    if (typeof value === 'string') return value.replaceAll(SSN, '[ssn]')
    if (Array.isArray(value)) return value.map(masked)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, masked(one)]))
  }
  return Promise.resolve(ok(masked(record) as JournalRecord))
}

const stepsWith = (mask: ViewMask | undefined, master = testMaster) =>
  createSteps({ store, reader: testReader(store, master), vault, mask })

let sessions = 0
let operations = 0
/** An id without those digits of the number that tests look for. */
const newOperation = () => `operation-${(operations += 1)}`

/** A session whose journal holds these, and its steps. */
async function session(
  records: (about: { session_id: string; connection: string }) => readonly JournalRecord[],
): Promise<{ readonly id: string; readonly steps: () => Promise<readonly SessionStep[]> }> {
  const id = `session-${(sessions += 1)}`
  await (await createTestJournal()).ship(store, records({ session_id: id, connection: 'claude' }))
  return {
    id,
    async steps() {
      const found = await store.sessions.steps(id, { limit: 100 })
      return found.ok ? found.steps : []
    },
  }
}

function intent(session_id: string, operation_id: string, text: string): JournalRecord {
  const { request } = testIntent()
  const context = { ...request.context, session: { id: session_id } }
  return testIntent({
    operation_id,
    request: { ...request, context },
    exchange: {
      method: 'POST',
      target: `/x?${text}`,
      body_bytes: text.length,
      body: Buffer.from(text),
    },
  })
}

function chunk(
  about: { session_id: string; connection: string },
  operation_id: string,
  direction: ChunkRecord['direction'],
  offset: number,
  text: string,
): ChunkRecord {
  const { length } = Buffer.from(text)
  return {
    kind: 'chunk',
    time_ms: 1,
    operation_id,
    ...about,
    direction,
    offset,
    pieces: [[1 + offset, length]],
    body: Buffer.from(text),
  }
}

type Body = { readonly record?: { readonly body?: { readonly text?: string }; pieces?: unknown } }
const bodyOf = (step: ShownStep | undefined) => (step as Body | undefined)?.record?.body?.text
/** All that is shown but leaves, whose hashes have any digits. */
const contentOf = (steps: readonly ShownStep[]) =>
  JSON.stringify(steps.map(({ leaf: _, index: _index, ...content }) => content))
const piecesOf = (step: ShownStep | undefined) => (step as Body | undefined)?.record?.pieces

describe('shown masked', () => {
  test('a short answer is shown before its outcome, with the end of a value that a chunk begins', async () => {
    const operation = newOperation()
    const part = (
      direction: ChunkRecord['direction'],
      offset: number,
      text: string,
    ): NonNullable<OutcomeRecord['rest']>[number] => ({
      direction,
      offset,
      pieces: [[5, text.length]],
      body: Buffer.from(text),
    })
    const { id, steps } = await session((about) => [
      intent(about.session_id, operation, 'asks'),
      chunk(about, operation, 'delivered', 0, 'it is 078-05'),
      testOutcome({
        ...about,
        operation_id: operation,
        rest: [part('received', 0, `it was ${SSN}`), part('delivered', 12, '-1120.')],
      }),
    ])
    const all = await steps()
    const shown = await stepsWith(masking).show(id, all, false)
    expect(shown.map(({ leaf }) => leaf['direction'] ?? leaf['kind'])).toEqual([
      'intent',
      'delivered',
      'received',
      'delivered',
      'outcome',
    ])
    expect(shown.slice(1).map(bodyOf)).toEqual([
      'it is [ssn].',
      'it was [ssn]',
      undefined,
      undefined,
    ])
    expect(contentOf(shown)).not.toContain(SSN.slice(4))
    expect(shown.map(({ index }) => index - (shown[0]?.index ?? 0))).toEqual([0, 1, 2, 2, 2])
    const raw = await stepsWith(masking).show(id, all, true)
    expect(raw.slice(1).map(bodyOf)).toEqual(['it is 078-05', `it was ${SSN}`, '-1120.', undefined])
    expect(raw.at(-1)?.record).not.toHaveProperty('rest')
  })

  test('a value that is split over chunks is masked as one, and nothing of it is shown elsewhere', async () => {
    const operation = newOperation()
    const { id, steps } = await session((about) => [
      intent(about.session_id, operation, `asks for ${SSN}`),
      chunk(about, operation, 'delivered', 0, 'it is 078-05'),
      chunk(about, operation, 'received', 0, 'it was 078-'),
      chunk(about, operation, 'delivered', 12, '-1120, and'),
      chunk(about, operation, 'received', 11, '05-1120.'),
      chunk(about, operation, 'delivered', 22, ' no more'),
      testOutcome({ ...about, operation_id: operation, reason: `of ${SSN}` }),
    ])
    const all = await steps()
    const shown = await stepsWith(masking).show(id, all, false)
    expect(shown.map(bodyOf)).toEqual([
      undefined,
      'it is [ssn], and no more',
      'it was [ssn].',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(piecesOf(shown[1])).toEqual([
      [1, 12],
      [13, 10],
      [23, 8],
    ])
    expect(piecesOf(shown[3])).toEqual([])
    expect(shown[0]).toMatchObject({
      record: { exchange: { body: { text: 'asks for [ssn]' }, target: '/x?asks for [ssn]' } },
    })
    expect(shown[6]).toMatchObject({ record: { reason: 'of [ssn]' } })
    expect(contentOf(shown)).not.toMatch(/078|1120/)
    // A page that begins behind the first part shows no more.
    const page = await stepsWith(masking).show(id, all.slice(3), false)
    expect(page.map(bodyOf)).toEqual([undefined, undefined, undefined, undefined])
    expect(contentOf(page)).not.toMatch(/078|1120/)
  })

  test('a body of which a part is gone or altered is not shown, whole or in part', async () => {
    const operation = newOperation()
    const { id, steps } = await session((about) => [
      intent(about.session_id, operation, 'asks'),
      chunk(about, operation, 'delivered', 0, 'it is 078-05'),
      chunk(about, operation, 'delivered', 12, '-1120, and'),
    ])
    const [, , second] = await steps()
    const source = JSON.parse(second?.leaf ?? '') as { source: { epoch: string } }
    await owner`delete from countersign.sealed_records
      where epoch = ${source.source.epoch} and seq = 2`
    const shown = await stepsWith(masking).show(id, await steps(), false)
    expect(shown[1]).toMatchObject({ unreadable: { code: 'damaged' } })
    expect(shown[2]).toMatchObject({ unreadable: { code: 'damaged' } })
    expect(contentOf(shown)).not.toMatch(/078|1120/)
  })

  test('a body whose parts do not join is not shown', async () => {
    const operation = newOperation()
    const { id, steps } = await session((about) => [
      intent(about.session_id, operation, 'asks'),
      chunk(about, operation, 'delivered', 0, 'it is 078-05'),
      chunk(about, operation, 'delivered', 13, '-1120, and'),
    ])
    const shown = await stepsWith(masking).show(id, await steps(), false)
    expect(shown[1]).toMatchObject({ unreadable: { code: 'damaged' } })
    expect(contentOf(shown)).not.toMatch(/078|1120/)
  })

  test('a body of which nobody knows what policy masks in it is not shown', async () => {
    const operation = newOperation()
    const { id, steps } = await session((about) => [
      intent(about.session_id, newOperation(), 'another operation'),
      chunk(about, operation, 'delivered', 0, 'Jane'),
    ])
    const shown = await stepsWith(masking).show(id, await steps(), false)
    expect(shown[1]).toMatchObject({ unreadable: { code: 'not_maskable' } })
    expect(contentOf(shown)).not.toContain('Jane')
  })

  test.each<[string, ViewMask | undefined]>([
    ['there is nothing to mask with', undefined],
    ['the mask refuses', () => Promise.resolve(err('it is no text'))],
    ['the mask throws', () => Promise.reject(new Error(SSN))],
    [
      'the mask throws at once',
      () => {
        throw new TypeError(SSN)
      },
    ],
  ])('nothing is when %s', async (_, mask) => {
    const operation = newOperation()
    const { id, steps } = await session((about) => [
      intent(about.session_id, operation, `asks for ${SSN}`),
      chunk(about, operation, 'delivered', 0, SSN),
      testOutcome({ ...about, operation_id: operation, reason: SSN }),
    ])
    const shown = await stepsWith(mask).show(id, await steps(), false)
    expect(shown.map(({ unreadable }) => unreadable?.code)).toEqual([
      'not_maskable',
      'not_maskable',
      'not_maskable',
    ])
    expect(contentOf(shown)).not.toMatch(/078|1120/)
    const raw = await stepsWith(mask).show(id, await steps(), true)
    expect(JSON.stringify(raw)).toContain(SSN)
  })
})

test('shown raw, each part is as it was', async () => {
  const operation = newOperation()
  const { id, steps } = await session((about) => [
    intent(about.session_id, operation, SSN),
    chunk(about, operation, 'delivered', 0, 'it is 078-05'),
    chunk(about, operation, 'delivered', 12, '-1120, and'),
  ])
  const shown = await stepsWith(masking).show(id, await steps(), true)
  expect(shown.map(bodyOf)).toEqual([undefined, 'it is 078-05', '-1120, and'])
  expect(shown[0]).toMatchObject({ record: { exchange: { body: { text: SSN } } } })
})

test('what cannot be opened says why, and its leaf is shown all the same', async () => {
  const { id, steps } = await session((about) => [intent(about.session_id, newOperation(), SSN)])
  const [strange] = await stepsWith(masking, otherMaster).show(id, await steps(), true)
  expect(strange).toMatchObject({
    leaf: { kind: 'intent', session_id: id },
    unreadable: { code: 'no_key' },
  })
  await store.erasure.erase(
    { session_id: id },
    () => ({ v: 1, kind: 'admin', time_ms: 1, source: { pdp: 'pdp' }, name: 'erase' }),
    1,
  )
  const [erased] = await stepsWith(masking).show(id, await steps(), true)
  expect(erased).toMatchObject({ leaf: { kind: 'intent' }, unreadable: { code: 'erased' } })
})

test('what an approval asked for is shown raw alone', async () => {
  const { id, steps } = await session((about) => [intent(about.session_id, newOperation(), 'x')])
  const action: CanonicalAction = {
    type: 'http.request',
    connection: 'claude',
    method: 'DELETE',
    target: `/${SSN}`,
    headers: [],
    body: { text: '' },
  }
  const known = { id: randomUUID(), session_id: id, connection: 'claude' }
  const { row } = await store.approvals.demand(
    {
      ...known,
      requester: { issuer: 'https://issuer', type: 'agent', id: 'agent-1' },
      action_name: 'http.request',
      action_digest: actionDigest(action),
      content: vault.seal(known, { action, reasons: [{ rule: 'r', message: SSN }] }),
      approvers: ['people'],
      count: 1,
      valid_s: 60,
      operation_id: 'o',
      demand: { decision_id: 'd', revision: 'r' },
    },
    1,
  )
  const masked = await stepsWith(masking).show(id, await steps(), false)
  expect(masked[1]).toEqual({
    index: expect.any(Number) as number,
    leaf: expect.objectContaining({ kind: 'approval', approval_id: row.id }) as object,
  })
  const [, raw] = await stepsWith(masking).show(id, await steps(), true)
  expect(raw).toMatchObject({ record: { action, reasons: [{ message: SSN }] } })
  await store.approvals.expire(60_002)
  await store.erasure.erase(
    { session_id: id },
    () => ({ v: 1, kind: 'admin', time_ms: 1, source: { pdp: 'pdp' }, name: 'erase' }),
    1,
  )
  const [, erased] = await stepsWith(masking).show(id, await steps(), true)
  expect(erased).toMatchObject({ unreadable: { code: 'erased' } })
})

test('bytes are text where they are UTF-8, with every byte of it', () => {
  expect(textual(Buffer.from('\uFEFFa'))).toEqual({ text: '\uFEFFa' })
  expect(textual(Buffer.of(0xff, 0))).toEqual({ base64: '/wA=' })
  expect(textual({ a: [Buffer.from('b'), 1, null] })).toEqual({ a: [{ text: 'b' }, 1, null] })
})
