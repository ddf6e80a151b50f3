import { randomBytes, randomUUID } from 'node:crypto'
import { pack } from 'msgpackr'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testIntent } from '../../sealing/testing.ts'
import { ok } from '../contract/result.ts'
import { emptyRoot, leafHash } from '../evidence/merkle/hash.ts'
import { rootOf } from '../evidence/merkle/range.ts'
import { isConsistent, isIncluded } from '../evidence/merkle/verify.ts'
import type { ViewMask } from '../evidence/view-mask.ts'
import { createTestJournal } from '../store/testing-frames.ts'
import { deletion, startTestPdp, type TestPdp } from '../testing.ts'

const SSN = '078-05-1120'

/** Keeps bodies from being shown. */
const withoutBody: ViewMask = (record) =>
  Promise.resolve(
    ok(
      'exchange' in record
        ? { ...record, exchange: { body_bytes: 0, target: '[masked]' } }
        : record,
    ),
  )

let it: TestPdp
let owner: Sql
let late_ms = 0
beforeAll(async () => {
  it = await startTestPdp({
    config: {
      approvals: { auditors: ['auditors'] },
      evidence: { retention: [{ connection: 'old', keep_days: 1 }] },
    },
    evidence: { mask: withoutBody },
    now: () => Date.now() + late_ms,
  })
  owner = postgres(it.database, { max: 1 })
})
afterAll(async () => {
  await owner.end()
  await it.close()
})

const get = (path: string, token: string) =>
  fetch(it.url + path, { headers: { authorization: `Bearer ${token}` } })
const post = (path: string, body: unknown, token: string) =>
  fetch(it.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const answer = async (asked: Promise<Response>) => {
  const response = await asked
  const body = (await response.json()) as Readonly<Record<string, unknown>>
  return { status: response.status, body }
}
const leafAt = async (index: number) => {
  const [leaf] = await it.store.log.leaves(index, 1)
  return JSON.parse(leaf?.leaf ?? '') as Readonly<Record<string, unknown>>
}

const security = () => it.person('olivia', ['security'])
const privacy = () => it.person('priya', ['privacy'])
const auditor = () => it.person('anna', ['auditors'])
const why = { reason: 'Ticket 4711.' }

/** A session with one operation, shipped as an enforcement point ships it. @returns its id. */
async function session({
  id = `session-${randomUUID()}`,
  ...over
}: { readonly id?: string; readonly connection?: string } = {}): Promise<string> {
  const { request } = testIntent()
  const context = { ...request.context, session: { id } }
  const journal = await createTestJournal({ sealer: it.sealer })
  const { sent } = journal.batch([
    testIntent({
      ...over,
      request: { ...request, context },
      exchange: { target: `/x?${SSN}`, body_bytes: SSN.length, body: Buffer.from(SSN) },
    }),
  ])
  const taken = await fetch(`${it.url}/v1/records`, {
    method: 'POST',
    headers: { authorization: `Bearer ${it.pepToken}`, 'content-type': 'application/msgpack' },
    body: pack(sent),
  })
  expect(taken.status).toBe(200)
  return id
}

describe('a session', () => {
  test('is shown masked to auditors, and to nobody else', async () => {
    const id = await session()
    const { status, body } = await answer(get(`/v1/sessions/${id}/steps`, await auditor()))
    expect(status).toBe(200)
    expect(body).toMatchObject({ masked: true, steps: [{ leaf: { kind: 'intent' } }] })
    expect(JSON.stringify(body)).not.toContain(SSN)
    for (const token of [await security(), await it.person('ann', ['approvers'])])
      expect((await get(`/v1/sessions/${id}/steps`, token)).status).toBe(403)
    expect((await get(`/v1/sessions/${id}/steps`, it.pepToken)).status).toBe(401)
  })

  test('is shown unmasked to who may, on record before, to themselves and for 15 minutes', async () => {
    const id = await session()
    const token = await security()
    const granted = await answer(post(`/v1/sessions/${id}/unmask`, why, token))
    expect(granted).toMatchObject({ status: 200, body: { id } })
    const unmask = Number(granted.body['unmask'])
    expect(await leafAt(unmask)).toMatchObject({
      kind: 'admin',
      name: 'unmask',
      by: { issuer: it.approvers.url, id: 'olivia' },
      reason: 'Ticket 4711.',
      decision: { effect: 'allow' },
      session_id: id,
    })
    const steps = `/v1/sessions/${id}/steps?unmask=${unmask}`
    const shown = await answer(get(steps, token))
    expect(shown).toMatchObject({ status: 200, body: { masked: false } })
    expect(JSON.stringify(shown.body)).toContain(SSN)
    late_ms = 14 * 60_000
    expect((await get(steps, token)).status).toBe(200)
    late_ms = 15 * 60_000
    expect((await get(steps, token)).status).toBe(403)
    late_ms = 0
    expect((await get(steps, token)).status).toBe(200)
  })

  test('is unmasked by no other leaf of the log than one’s own allowed unmasking of it', async () => {
    const [id, other] = [await session(), await session()]
    const token = await security()
    const colleague = await it.person('oscar', ['security', 'auditors'])
    // An approval of the session.
    const { request, action } = deletion(it.pdp.revision(), { id: randomUUID() })
    const inSession = { ...request, context: { ...request.context, session: { id } } }
    const demand = { request: inSession, action, operation_id: 'o' }
    expect((await post('/v1/approvals', demand, it.pepToken)).status).toBe(200)
    const approval = (await it.store.log.size()) - 1
    expect(await leafAt(approval)).toMatchObject({ kind: 'approval', session_id: id })
    const mine = Number(
      (await answer(post(`/v1/sessions/${id}/unmask`, why, token))).body['unmask'],
    )
    const elsewhere = Number(
      (await answer(post(`/v1/sessions/${other}/unmask`, why, token))).body['unmask'],
    )
    const theirs = Number(
      (await answer(post(`/v1/sessions/${id}/unmask`, why, colleague))).body['unmask'],
    )
    // A refusal is on record, and no grant.
    const refused = await answer(post(`/v1/sessions/${id}/unmask`, {}, token))
    expect(refused.status).toBe(403)
    const denied = (await it.store.log.size()) - 1
    expect(await leafAt(denied)).toMatchObject({
      kind: 'admin',
      name: 'unmask',
      session_id: id,
      decision: { effect: 'deny' },
    })
    // Another act of one's own on the same session.
    const both = await it.person('olivia', ['security', 'privacy'])
    expect((await post('/v1/evidence/holds', { ...why, session: id }, both)).status).toBe(200)
    const held = (await it.store.log.size()) - 1
    expect(await leafAt(held)).toMatchObject({ name: 'hold', by: { id: 'olivia' } })
    const status = async (index: number, who: string) =>
      (await get(`/v1/sessions/${id}/steps?unmask=${index}`, who)).status
    expect(await status(mine, token)).toBe(200)
    const none = [elsewhere, theirs, denied, held, approval, 0, await it.store.log.size(), 10 ** 9]
    for (const index of none) expect(await status(index, token)).toBe(403)
    // Also not for an auditor, who would see it masked without.
    expect(await status(mine, colleague)).toBe(403)
    expect(await status(theirs, colleague)).toBe(200)
  })

  test('is unmasked as far as it was when policy was asked: not once it reached another connection', async () => {
    const id = await session()
    const token = await security()
    const unmask = async () =>
      String((await answer(post(`/v1/sessions/${id}/unmask`, why, token))).body['unmask'])
    const status = async (index: string) =>
      (await get(`/v1/sessions/${id}/steps?unmask=${index}`, token)).status
    const before = await unmask()
    expect(await status(before)).toBe(200)
    await session({ id, connection: 'another' })
    expect(await status(before)).toBe(403)
    expect(await status(await unmask())).toBe(200)
  })

  test('is not unmasked by a row that somebody put beside the log', async () => {
    const id = await session()
    const token = await security()
    const mine = Number(
      (await answer(post(`/v1/sessions/${id}/unmask`, why, token))).body['unmask'],
    )
    const [{ size } = { size: '' }] = await owner`select size from countersign.log_head`
    const [beyond] = await owner<{ idx: string }[]>`
      insert into countersign.leaves (idx, leaf, hash, kind, time_ms, logged_ms)
      select ${Number(size) + 1000}, leaf, hash, kind, time_ms, logged_ms from countersign.leaves where idx = ${mine}
      returning idx`
    const status = async (index: number) =>
      (await get(`/v1/sessions/${id}/steps?unmask=${index}`, token)).status
    expect(await status(Number(beyond?.idx))).toBe(403)
    expect(await status(mine)).toBe(200)
    // Nor by the text of a leaf that was changed into one.
    const [other] = await owner<{ idx: string; leaf: string }[]>`
      select idx, leaf from countersign.leaves where kind <> 'admin' order by idx desc limit 1`
    await owner`alter table countersign.leaves disable trigger leaves_append_only`
    await owner`
      update countersign.leaves set leaf = (select leaf from countersign.leaves where idx = ${mine})
      where idx = ${Number(other?.idx)}`
    expect(await status(Number(other?.idx))).toBe(403)
    await owner`update countersign.leaves set leaf = ${other?.leaf ?? ''} where idx = ${Number(other?.idx)}`
    await owner`delete from countersign.leaves where idx = ${Number(beyond?.idx)}`
    await owner`alter table countersign.leaves enable trigger leaves_append_only`
  })

  test('is not unmasked without a reason, by who may not, or by the one whose it is', async () => {
    const id = await session()
    const own = await it.approvers.token({
      sub: 'agent-1',
      groups: ['security'],
      aud: 'countersign-approvals',
    })
    await owner`update countersign.sessions set issuer = ${it.approvers.url} where id = ${id}`
    for (const [body, token] of [
      [{}, await security()],
      [{ reason: '  ' }, await security()],
      [why, await auditor()],
      [why, own],
    ] as const) {
      const before = await it.store.log.size()
      const { status } = await answer(post(`/v1/sessions/${id}/unmask`, body, token))
      expect(status).toBe(403)
      expect(await leafAt(before)).toMatchObject({ decision: { effect: 'deny' } })
    }
    const before = await it.store.log.size()
    expect((await post(`/v1/sessions/${id}/unmask`, why, it.pepToken)).status).toBe(401)
    expect((await post(`/v1/sessions/none/unmask`, why, await security())).status).toBe(404)
    expect(await it.store.log.size()).toBe(before)
  })
})

describe('a session that is not there', () => {
  test.each([
    ['/v1/evidence/erase', 'session', privacy],
    ['/v1/evidence/holds', 'session', privacy],
    ['/v1/evidence/decisions', 'session', security],
    ['/v1/sessions/:id/unmask', undefined, security],
  ])(
    '%s says so to who might do it or may see it, and to others no more than of any',
    async (path, name, who) => {
      const status = async (session: string, token: string) => {
        const body = name === undefined ? why : { ...why, [name]: session }
        const answered = await answer(post(path.replace(':id', session), body, token))
        return [answered.status, answered.body['error']] as const
      }
      const id = await session()
      const nobody = await it.person('ann', ['approvers'])
      const before = await it.store.log.size()
      const unknown = await status('none', nobody)
      expect(unknown[0]).toBe(403)
      expect((await status('none', await who()))[0]).toBe(404)
      expect((await status('none', await auditor()))[0]).toBe(404)
      expect(await it.store.log.size()).toBe(before)
      expect(await status(id, nobody)).toEqual(unknown)
    },
  )
})

describe('an approval whose content was exchanged in the store', () => {
  const demanded = async () => {
    const { request, action } = deletion(it.pdp.revision(), { id: randomUUID() })
    const demand = { request, action, operation_id: 'o' }
    const { body } = await answer(post('/v1/approvals', demand, it.pepToken))
    return { id: String(body['id']), action_digest: request.context.action_digest ?? '' }
  }
  const approver = () => it.person('olivia', ['approvers'])
  const copy = async (to: string, from: string, columns: readonly string[]) => {
    const set = columns.map((column) => `${column} = other.${column}`).join(', ')
    await owner.unsafe(`
      alter table countersign.approvals disable trigger user;
      update countersign.approvals a set ${set} from countersign.approvals other
        where a.id = '${to}' and other.id = '${from}';
      alter table countersign.approvals enable trigger user`)
  }

  test.each([
    ['its sealed bytes', ['sealed']],
    ['its key', ['wrapped_key']],
    ['its commitment', ['commitment']],
    ['all of them', ['sealed', 'wrapped_key', 'commitment']],
  ])('cannot be approved, only denied: %s', async (_, columns) => {
    const [mine, other] = [await demanded(), await demanded()]
    await copy(mine.id, other.id, columns)
    const token = await approver()
    const { action_digest } = mine
    const detail = await answer(get(`/v1/approvals/${mine.id}/detail`, token))
    expect(detail.body['unreadable']).toEqual(expect.any(String))
    expect(detail.body).not.toHaveProperty('action')
    const voted = await answer(post(`/v1/approvals/${mine.id}/approve`, { action_digest }, token))
    expect(voted.status).toBe(409)
    expect(voted.body).toMatchObject({
      error: { message: expect.stringContaining('cannot be shown') as string },
    })
    const row = await it.store.approvals.find(mine.id)
    expect(row).toMatchObject({ state: 'pending', votes: [] })
    expect((await post(`/v1/approvals/${mine.id}/deny`, { action_digest }, token)).status).toBe(200)
    const fine = { action_digest: other.action_digest }
    expect((await post(`/v1/approvals/${other.id}/approve`, fine, token)).status).toBe(200)
  })

  test('cannot be approved as another action than the one that is shown', async () => {
    const mine = await demanded()
    const other = deletion(it.pdp.revision(), { id: 'something-worse' })
    const action_digest = other.request.context.action_digest ?? ''
    await owner.unsafe(`
      alter table countersign.approvals disable trigger user;
      update countersign.approvals set action_digest = '${action_digest}' where id = '${mine.id}';
      alter table countersign.approvals enable trigger user`)
    const token = await approver()
    const voted = await post(`/v1/approvals/${mine.id}/approve`, { action_digest }, token)
    expect(voted.status).toBe(409)
  })
})

describe('erasure, holds and retention', () => {
  test('what is erased is gone at once, also for who saw it a moment ago', async () => {
    const id = await session()
    const token = await security()
    const granted = await answer(post(`/v1/sessions/${id}/unmask`, why, token))
    const steps = `/v1/sessions/${id}/steps?unmask=${String(granted.body['unmask'])}`
    expect(JSON.stringify((await answer(get(steps, token))).body)).toContain(SSN)
    const erased = await answer(
      post('/v1/evidence/erase', { ...why, session: id }, await privacy()),
    )
    expect(erased).toMatchObject({
      status: 200,
      body: { session: id, keys: 1, approvals: 0, scrubbed: true },
    })
    const after = await answer(get(steps, token))
    expect(JSON.stringify(after.body)).not.toContain(SSN)
    expect(after.body).toMatchObject({ steps: [{ unreadable: { code: 'erased' } }, {}, {}] })
    const [leaf] = await owner`select leaf from countersign.leaves order by idx desc limit 1`
    expect(JSON.parse(String(leaf?.['leaf']))).toMatchObject({
      name: 'erase',
      by: { id: 'priya' },
      session_id: id,
      detail: { keys: 1, approvals: 0 },
    })
  })

  test('what is held is not erased, which is on record, and is once it is released', async () => {
    const id = await session()
    const token = await privacy()
    const hold = await answer(post('/v1/evidence/holds', { ...why, session: id }, token))
    expect(hold).toMatchObject({ status: 200, body: { session_id: id } })
    const refused = await answer(post('/v1/evidence/erase', { ...why, session: id }, token))
    expect(refused.status).toBe(409)
    expect(await leafAt((await it.store.log.size()) - 1)).toMatchObject({
      name: 'erase',
      detail: { held: true },
    })
    const release = { ...why, hold: hold.body['id'] }
    expect((await post('/v1/evidence/holds/release', release, token)).status).toBe(200)
    expect((await post('/v1/evidence/holds/release', release, token)).status).toBe(404)
    expect((await post('/v1/evidence/erase', { ...why, session: id }, token)).status).toBe(200)
  })

  test.each([
    ['/v1/evidence/erase', { session: '' }],
    ['/v1/evidence/holds', { connection: 'claude' }],
    ['/v1/evidence/retention', { apply: true }],
  ])('%s is for who policy says, with a reason; a refusal is on record', async (path, extra) => {
    const id = await session()
    const body = 'session' in extra ? { session: id } : extra
    const before = await it.store.log.size()
    expect((await post(path, { ...body, ...why }, await security())).status).toBe(403)
    expect((await post(path, body, await privacy())).status).toBe(403)
    for (const index of [before, before + 1])
      expect(await leafAt(index)).toMatchObject({ kind: 'admin', decision: { effect: 'deny' } })
    expect(await it.store.log.size()).toBe(before + 2)
    expect((await post(path, { ...body, ...why }, it.pepToken)).status).toBe(401)
  })

  test('what retention would erase is told first, and is what it then erases', async () => {
    const id = await session({ connection: 'old' })
    await session()
    const token = await privacy()
    late_ms = 3 * 86_400_000
    try {
      const told = await answer(post('/v1/evidence/retention', why, token))
      expect(told).toMatchObject({
        status: 200,
        body: { applied: false, due: [{ connection: 'old', keys: 1, approvals: 0 }] },
      })
      const done = await answer(post('/v1/evidence/retention', { ...why, apply: true }, token))
      expect(done).toMatchObject({
        status: 200,
        body: { applied: true, keys: 1, approvals: 0, more: false },
      })
    } finally {
      late_ms = 0
    }
    const rows = await owner`select session_id from countersign.session_keys
      where wrapped is null and connection = 'old'`
    expect(rows).toEqual([{ session_id: id }])
  })
})

describe('proofs', () => {
  const bytes = (hex: unknown) => Buffer.from(String(hex), 'hex')

  test('show that a leaf is in the log, and that the log only grew', async () => {
    await session()
    const token = await auditor()
    const { size, range } = await it.store.log.head()
    const root = rootOf(range)
    for (const index of [0, size - 1]) {
      const { body } = await answer(get(`/v1/evidence/leaves/${index}?size=${size}`, token))
      const proof = (body['proof'] as readonly string[]).map(bytes)
      const leaf = leafHash(String(body['leaf']))
      expect(bytes(body['hash']).equals(leaf)).toBe(true)
      expect(isIncluded({ index, size, leaf, root, proof })).toBe(true)
    }
    await session()
    const after = await it.store.log.head()
    const { body } = await answer(
      get(`/v1/evidence/consistency?from=${size}&to=${after.size}`, token),
    )
    const proof = (body['hashes'] as readonly string[]).map(bytes)
    const second = { size: after.size, root: rootOf(after.range) }
    expect(isConsistent({ first: { size, root }, second, proof })).toBe(true)
    expect(isConsistent({ first: { size, root: emptyRoot() }, second, proof })).toBe(false)
  })

  test('are for auditors, of what there is', async () => {
    const token = await auditor()
    const size = await it.store.log.size()
    expect((await get('/v1/evidence/leaves/0', await security())).status).toBe(403)
    expect((await get('/v1/evidence/leaves/0', it.pepToken)).status).toBe(401)
    expect((await get(`/v1/evidence/leaves/${size + 1_000}`, token)).status).toBe(404)
    expect((await get(`/v1/evidence/leaves/0?size=${size + 1_000}`, token)).status).toBe(400)
    expect((await get(`/v1/evidence/leaves/3?size=3`, token)).status).toBe(400)
    expect((await get(`/v1/evidence/consistency?from=5&to=4`, token)).status).toBe(400)
    expect((await get(`/v1/evidence/consistency?from=0&to=${size + 1_000}`, token)).status).toBe(
      400,
    )
  })
})

test('a request as large as a gateway takes is taken into the log', async () => {
  const body = randomBytes(32 * 1024 * 1024)
  const journal = await createTestJournal({ sealer: it.sealer })
  const { sent } = journal.batch([testIntent({ exchange: { body_bytes: body.length, body } })])
  const ship = (token: string) =>
    fetch(`${it.url}/v1/records`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/msgpack' },
      body: pack(sent),
    })
  expect((await ship('nobody')).status).toBe(401)
  expect((await ship(it.pepToken)).status).toBe(200)
}, 60_000)

test('steps that hold more than an answer takes come as several pages, each once', async () => {
  const id = `session-${randomUUID()}`
  const { request } = testIntent()
  const context = { ...request.context, session: { id } }
  const journal = await createTestJournal({ sealer: it.sealer })
  const body = Buffer.alloc(12 * 1024 * 1024, 'a')
  await journal.ship(
    it.store,
    Array.from({ length: 5 }, (_, at) =>
      testIntent({
        operation_id: `large-${at}`,
        request: { ...request, context },
        exchange: { body_bytes: body.length, body },
      }),
    ),
  )
  const token = await security()
  const granted = await answer(post(`/v1/sessions/${id}/unmask`, why, token))
  const raw = `/v1/sessions/${id}/steps?unmask=${String(granted.body['unmask'])}`
  const first = await answer(get(raw, token))
  const steps = first.body['steps'] as { readonly index: number }[]
  expect(steps).toHaveLength(3)
  expect(first.body['next']).toBe(steps.at(-1)?.index)
  const second = await answer(get(`${raw}&after=${String(first.body['next'])}`, token))
  // The unmasking is of this session too.
  expect(second.body['steps']).toHaveLength(3)
  expect(second.body['next']).toBeUndefined()
}, 60_000)
