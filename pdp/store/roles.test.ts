import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore } from './open.ts'
import { serviceRole } from './roles.ts'
import { openTestDatabase, openTestStore, type TestStore } from './testing.ts'
import { plainFrames } from './testing-frames.ts'

let opened: TestStore
let service: Sql
beforeAll(async () => {
  opened = await openTestStore()
  const role = serviceRole(readFileSync(join(opened.folder, 'service.password'), 'utf8'))
  service = postgres(opened.url, { ...role, max: 1, onnotice: () => undefined })
  const frames = plainFrames(1, { epoch: 'e' })
  await opened.store.records.append({ pep: 'p', epoch: 'e', keys: [], frames, received_ms: 1 })
})
afterAll(() => service.end())

describe("the service's role cannot", () => {
  test.each([
    ['change a leaf', 'update countersign.leaves set leaf = $$x$$'],
    ['change the hash of a leaf', 'update countersign.leaves set hash = $$x$$::bytea'],
    ['change when a leaf came', 'update countersign.leaves set logged_ms = 0'],
    ['delete a leaf', 'delete from countersign.leaves'],
    ['empty the log', 'truncate countersign.leaves cascade'],
    ['drop the log', 'drop table countersign.leaves cascade'],
    ['alter the log', 'alter table countersign.leaves add column x text'],
    ['change a node', 'update countersign.log_nodes set hash = $$x$$::bytea'],
    ['delete a node', 'delete from countersign.log_nodes'],
    ['empty the nodes', 'truncate countersign.log_nodes'],
    ['change a checkpoint', 'update countersign.checkpoints set note = $$x$$'],
    ['delete a checkpoint', 'delete from countersign.checkpoints'],
    ['empty the checkpoints', 'truncate countersign.checkpoints'],
    ['delete a cosignature', 'delete from countersign.cosignatures'],
    ['delete the head', 'delete from countersign.log_head'],
    ['add another head', 'insert into countersign.log_head values (2, 0, $$$$, 0)'],
    ['delete a key whole', 'delete from countersign.session_keys'],
    ['change whose key it is', 'update countersign.session_keys set session_id = $$x$$'],
    ['change what is sealed', 'update countersign.sealed_records set sealed = $$x$$::bytea'],
    ['change a block', 'update countersign.sealed_blocks set sealed = $$x$$::bytea'],
    ['change a kept policy', 'update countersign.policy_revisions set config_digest = $$x$$'],
    ['change a kept bundle', 'update countersign.bundle_archives set archive = $$x$$::bytea'],
    ['delete a hold', 'delete from countersign.legal_holds'],
    ['move a hold', 'update countersign.legal_holds set session_id = $$x$$'],
    ['disable triggers', 'alter table countersign.leaves disable trigger all'],
    ['switch triggers off for its session', 'set session_replication_role = replica'],
    ['drop a trigger', 'drop trigger leaves_append_only on countersign.leaves'],
    [
      'replace a function',
      'create or replace function countersign.refuse_change() returns trigger language sql as $$select null$$',
    ],
    ['make tables beside the log', 'create table countersign.other (x text)'],
    ['delete an alarm', 'delete from countersign.record_alarms'],
    ['change a vote', 'update countersign.votes set approve = true'],
    ['change who voted', 'update countersign.votes set approver_id = $$x$$'],
    ['delete a vote', 'delete from countersign.votes'],
    ['change who asks', 'update countersign.approvals set requester_id = $$x$$'],
    ['delete an approval', 'delete from countersign.approvals'],
    ['become the owner', 'set role countersign'],
    ['take the log over', 'alter table countersign.leaves owner to current_user'],
    ['read the migrations', 'delete from countersign.__drizzle_migrations'],
    ['make roles', 'create role other login'],
    ['read files', 'select pg_read_file($$/etc/hostname$$)'],
    ['run programs', 'copy countersign.leaves to program $$cat$$'],
  ])('%s', async (_, statement) => {
    await expect(service.unsafe(statement)).rejects.toMatchObject({ code: '42501' })
    expect(await service`select count(*)::int from countersign.leaves`).toEqual([{ count: 1 }])
  })
})

test('even the owner changes no leaf without removing the guard first', async () => {
  const owner = postgres(opened.url, { max: 1 })
  for (const statement of [
    'update countersign.leaves set kind = $$x$$',
    'truncate countersign.leaves',
    'delete from countersign.leaves',
    'update countersign.log_nodes set n = 1',
    'delete from countersign.checkpoints',
    'delete from countersign.log_head',
    'delete from countersign.session_keys',
  ])
    await expect(owner.unsafe(statement)).rejects.toThrow('append-only')
  await owner.end()
})

test("the service's role cannot approve without votes, nor bring an approval back", async () => {
  const open = (state: string) => service`
    insert into countersign.approvals (
      id, state, live_key, requester_issuer, requester_type, requester_id, session_id, connection, action_name,
      action_digest, approvers, count, valid_s, operation_id, demand_decision_id, demand_revision,
      demanded_ms, expires_ms)
    values (gen_random_uuid(), ${state}, gen_random_uuid()::text, 'i', 'agent', 'a', 's', 'c', 'n', 'd',
      '{security}', 1, 60, 'o', 'd', 'r', 1, 2) returning id`
  await expect(open('approved')).rejects.toMatchObject({ code: '23514' })
  const [row] = await open('pending')
  const id = String(row?.['id'])
  const move = (state: string) =>
    service`update countersign.approvals set state = ${state} where id = ${id}`
  const cast = (who: string) => service`
    insert into countersign.votes (approval_id, issuer, approver_id, approver_type, approve, at_ms)
    values (${id}, 'i', ${who}, 'user', true, 1)`
  await expect(move('approved')).rejects.toMatchObject({ code: '23514' })
  await expect(cast('a')).rejects.toMatchObject({ code: '23514' })
  await move('denied')
  await expect(cast('b')).rejects.toMatchObject({ code: '23514' })
  for (const state of ['pending', 'approved', 'consumed'])
    await expect(move(state)).rejects.toMatchObject({ code: '23514' })
})

test("the service's role cannot change what is asked for, only erase it once it ended", async () => {
  const rows = await service<{ id: string }[]>`
    insert into countersign.approvals (
      id, state, live_key, requester_issuer, requester_type, requester_id, session_id, connection, action_name,
      action_digest, sealed, wrapped_key, commitment, approvers, count, valid_s, operation_id, demand_decision_id,
      demand_revision, demanded_ms, expires_ms)
    values (gen_random_uuid(), 'pending', gen_random_uuid()::text, 'i', 'agent', 'a', 's', 'c', 'n', 'd', 'sealed', 'key',
      'commitment', '{security}', 1, 60, 'o', 'd', 'r', 1, 2) returning id`
  const id = rows[0]?.id ?? ''
  const change = (what: string) =>
    service.unsafe(`update countersign.approvals set ${what} where id = '${id}'`)
  const others = [
    "action_digest = 'x'",
    "action_digest = ''",
    "sealed = 'x'",
    'sealed = null',
    "wrapped_key = 'x'",
    'wrapped_key = null',
    "live_key = 'x'",
    'erased_ms = 1',
  ]
  const refused = { code: '23514' }
  for (const other of others) {
    await expect(change(other)).rejects.toMatchObject(refused)
    await expect(change(`state = 'expired', ${other}`)).rejects.toMatchObject(refused)
  }
  await service`insert into countersign.votes (approval_id, issuer, approver_id, approver_type, approve, comment, at_ms)
    values (${id}, 'i', 'b', 'user', true, 'why', 1)`
  await expect(change("state = 'approved', action_digest = 'x'")).rejects.toMatchObject(refused)
  await change("state = 'approved'")
  await expect(
    change(`state = 'consumed', consumed_ms = 1, consumed_decision_id = 'd', sealed = 'x'`),
  ).rejects.toMatchObject(refused)
  await change("state = 'consumed', consumed_ms = 1, consumed_decision_id = 'd'")
  const erased =
    "erased_ms = 1, sealed = null, wrapped_key = null, action_digest = '', live_key = id::text"
  for (const other of [
    'erased_ms = 1',
    erased.replace("''", "'x'"),
    `${erased}, consumed_ms = 2`,
    `${erased}, consumed_decision_id = 'another'`,
  ])
    await expect(change(other)).rejects.toMatchObject(refused)
  await change(erased)
  await expect(
    change("erased_ms = 2, sealed = 'x', wrapped_key = 'x', action_digest = 'd'"),
  ).rejects.toMatchObject(refused)
  await expect(
    service`update countersign.votes set comment = 'because' where approval_id = ${id}`,
  ).rejects.toMatchObject({ code: '42501' })
  await service`update countersign.votes set comment = null where approval_id = ${id}`
})

test("the service's role cannot make the log smaller or its time earlier", async () => {
  const [head] = await service`select size, logged_ms from countersign.log_head`
  for (const less of ['size = size - 1', 'logged_ms = logged_ms - 1', "size = 0, range = ''"])
    await expect(service.unsafe(`update countersign.log_head set ${less}`)).rejects.toMatchObject({
      code: '23514',
    })
  expect(await service`select size, logged_ms from countersign.log_head`).toEqual([head])
})

test("the service's role cannot revive a key that was erased, nor put another in its place", async () => {
  await service`insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
    values ('k', 's', 'c', 'wrapped', 1)`
  const wrap = service`update countersign.session_keys set wrapped = 'another' where id = 'k'`
  await expect(wrap).rejects.toMatchObject({ code: '23514' })
  await service`update countersign.session_keys set wrapped = null, erased_ms = 1 where id = 'k'`
  const revive = service`update countersign.session_keys set wrapped = 'wrapped' where id = 'k'`
  await expect(revive).rejects.toMatchObject({ code: '23514' })
  await expect(
    service`insert into countersign.session_keys (id, session_id, connection, wrapped, created_ms)
      values ('k', 's', 'c', 'wrapped', 1)`,
  ).rejects.toMatchObject({ code: '23505' })
})

test('a password is kept where only its owner reads it', () => {
  expect(statSync(join(opened.folder, 'service.password')).mode & 0o777).toBe(0o600)
})

test('a store whose service is the owner, or could become it, is not used', async () => {
  const { url, folder } = await openTestDatabase()
  const store = await openStore({ url, service_url: url, folder, log: () => undefined })
  const ready = await store.ready()
  expect(!ready.ok && ready.message).toContain('could change the record')
  await expect(store.records.alarms()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await store.close()
})

test('a role that an administrator made is granted what it needs, and no more than that', async () => {
  const { url, folder } = await openTestDatabase()
  const admin = postgres(url, { max: 1 })
  const password = randomBytes(12).toString('hex')
  const name = `made_${randomBytes(4).toString('hex')}`
  await admin.unsafe(`create role ${name} login password '${password}'`)
  const mine = new URL(url)
  mine.username = name
  mine.password = password
  const options = { folder, service_url: mine.href, log: () => undefined }
  const first = await openStore({ ...options, url })
  expect(await first.ready()).toEqual({ ok: true })
  const stores = [first]
  for (const excess of [
    'update on countersign.leaves',
    'update (leaf) on countersign.leaves',
    'delete on countersign.log_nodes',
    'truncate on countersign.checkpoints',
  ]) {
    await admin.unsafe(`grant ${excess} to ${name}`)
    const without = await openStore({ ...options, migrate: false })
    expect(await without.ready()).toMatchObject({ ok: false })
    // The next start of the owner takes the excess away.
    const again = await openStore({ ...options, url })
    expect(await again.ready()).toEqual({ ok: true })
    stores.push(without, again)
  }
  await Promise.all(stores.map((store) => store.close()))
  await admin.end()
})
