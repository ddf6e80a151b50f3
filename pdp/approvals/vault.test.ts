import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { masterKeyOf } from '../../sealing/master-key.ts'
import { testMaster } from '../../sealing/testing.ts'
import { createUnwrapper, createWrapper } from '../../sealing/wrapper.ts'
import { actionDigest, type CanonicalAction } from '../contract/action.ts'
import type { ApprovalContent, ApprovalRow } from '../store/store.ts'
import { type ApprovalVault, createApprovalVault } from './vault.ts'

let vault: ApprovalVault
beforeAll(async () => {
  vault = createApprovalVault(await createWrapper(testMaster), createUnwrapper(testMaster))
})

const delete_ = (target: string): CanonicalAction => ({
  type: 'http.request',
  connection: 'customers',
  method: 'DELETE',
  target,
  headers: [],
  body: { text: '' },
})
const reasons = [{ rule: 'r', message: 'deletes' }]

function row(action: CanonicalAction, over: Partial<ApprovalRow> = {}): ApprovalRow {
  const owner = { id: randomUUID(), session_id: 's-1', connection: 'customers' }
  return {
    ...owner,
    requester: { issuer: 'i', type: 'agent', id: 'a' },
    action_name: 'http.request',
    action_digest: actionDigest(action),
    content: vault.seal(owner, { action, reasons }),
    approvers: ['people'],
    count: 1,
    valid_s: 60,
    operation_id: 'o',
    demand: { decision_id: 'd', revision: 'r' },
    state: 'pending',
    demanded_ms: 1,
    expires_ms: 100_000,
    votes: [],
    ...over,
  }
}

const content = ({ content }: ApprovalRow): ApprovalContent => {
  if (!content) throw new Error('it was sealed')
  return content
}

test('what is asked for is shown as it was asked for', async () => {
  const action = delete_('/customers/1')
  expect(await vault.open(row(action))).toEqual({ ok: true, value: { action, reasons } })
})

test('the same asked for twice is sealed and committed to in two ways', () => {
  const [one, other] = [
    content(row(delete_('/customers/1'))),
    content(row(delete_('/customers/1'))),
  ]
  expect(Buffer.compare(one.sealed, other.sealed)).not.toBe(0)
  expect(Buffer.compare(one.commitment, other.commitment)).not.toBe(0)
})

describe('is not shown', () => {
  const mine = () => row(delete_('/customers/1'))
  const flipped = (bytes: Uint8Array): Uint8Array => {
    const changed = Buffer.from(bytes)
    changed[changed.length - 1]! ^= 1
    return changed
  }
  const withContent = (one: ApprovalRow, over: Partial<ApprovalContent>): ApprovalRow => ({
    ...one,
    content: { ...content(one), ...over },
  })

  test.each<[string, () => ApprovalRow]>([
    [
      'once it was erased',
      () => {
        const { content: _, ...erased } = mine()
        return erased
      },
    ],
    [
      'with its sealed bytes altered',
      () => {
        const one = mine()
        return withContent(one, { sealed: flipped(content(one).sealed) })
      },
    ],
    [
      'with its key altered',
      () => {
        const one = mine()
        return withContent(one, { wrapped_key: flipped(content(one).wrapped_key) })
      },
    ],
    ['with no key at all', () => withContent(mine(), { wrapped_key: new Uint8Array() })],
    [
      'with its commitment altered',
      () => {
        const one = mine()
        return withContent(one, { commitment: flipped(content(one).commitment) })
      },
    ],
    [
      'with the sealed bytes of another approval',
      () => withContent(mine(), { sealed: content(row(delete_('/customers/2'))).sealed }),
    ],
    [
      'with all that was sealed for another approval',
      () => withContent(mine(), content(row(delete_('/customers/2')))),
    ],
    ['under another approval', () => ({ ...mine(), id: randomUUID() })],
    ['in another session', () => ({ ...mine(), session_id: 's-2' })],
    ['for another connection', () => ({ ...mine(), connection: 'another' })],
    [
      'as what an approval of another action asks for',
      () => ({ ...mine(), action_digest: actionDigest(delete_('/customers/2')) }),
    ],
  ])('%s', async (_, altered) => {
    expect(await vault.open(mine())).toMatchObject({ ok: true })
    expect(await vault.open(altered())).toEqual({
      ok: false,
      error: expect.stringMatching(/^.{10}/) as string,
    })
  })

  test('to who has another master key, whose id it says', async () => {
    const other = masterKeyOf(new Uint8Array(32).fill(9))
    const stranger = createApprovalVault(await createWrapper(other), createUnwrapper(other))
    expect(await stranger.open(mine())).toEqual({
      ok: false,
      error: expect.stringContaining(testMaster.id) as string,
    })
  })
})
