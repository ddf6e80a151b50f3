import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { frameDigest } from '../contract/record.ts'
import { openStore } from './open.ts'
import { serviceRole } from './roles.ts'
import { openTestDatabase, openTestStore, type TestStore } from './testing.ts'

let opened: TestStore
let service: Sql
beforeAll(async () => {
  opened = await openTestStore()
  const role = serviceRole(readFileSync(join(opened.folder, 'service.password'), 'utf8'))
  service = postgres(opened.url, { ...role, max: 1, onnotice: () => undefined })
  const payload = randomBytes(8)
  const prev = Buffer.alloc(32)
  const frame = { seq: 0, prev, payload, digest: frameDigest(prev, payload) }
  const frames = [{ ...frame, index: { kind: 'event', time_ms: 1 } }]
  await opened.store.records.append({ pep: 'p', epoch: 'e', frames, received_ms: 1 })
})
afterAll(() => service.end())

describe("the service's role cannot", () => {
  test.each([
    ['change a record', 'update countersign.records set payload = $$x$$::bytea'],
    ['change when a record came', 'update countersign.records set received_ms = 0'],
    ['delete a record', 'delete from countersign.records'],
    ['empty the records', 'truncate countersign.records cascade'],
    ['drop the records', 'drop table countersign.records cascade'],
    ['alter the records', 'alter table countersign.records add column x text'],
    ['disable triggers', 'alter table countersign.records disable trigger all'],
    ['switch triggers off for its session', 'set session_replication_role = replica'],
    ['drop a trigger', 'drop trigger records_append_only on countersign.records'],
    [
      'replace a function',
      'create or replace function countersign.refuse_change() returns trigger language sql as $$select null$$',
    ],
    ['make tables beside the records', 'create table countersign.other (x text)'],
    ['delete an alarm', 'delete from countersign.record_alarms'],
    ['change a vote', 'update countersign.votes set approve = true'],
    ['delete a vote', 'delete from countersign.votes'],
    ['change what is approved', 'update countersign.approvals set action_digest = $$x$$'],
    ['change who asks', 'update countersign.approvals set requester_id = $$x$$'],
    ['delete an approval', 'delete from countersign.approvals'],
    ['become the owner', 'set role countersign'],
    ['take the records over', 'alter table countersign.records owner to current_user'],
    ['read the migrations', 'delete from countersign.__drizzle_migrations'],
    ['make roles', 'create role other login'],
    ['read files', 'select pg_read_file($$/etc/hostname$$)'],
    ['run programs', 'copy countersign.records to program $$cat$$'],
  ])('%s', async (_, statement) => {
    await expect(service.unsafe(statement)).rejects.toMatchObject({ code: '42501' })
    expect(await service`select count(*)::int from countersign.records`).toEqual([{ count: 1 }])
  })
})

test('even the owner changes no record without removing the guard first', async () => {
  const owner = postgres(opened.url, { max: 1 })
  for (const statement of [
    'update countersign.records set kind = $$x$$',
    'truncate countersign.records',
  ])
    await expect(owner.unsafe(statement)).rejects.toThrow('append-only')
  await owner.end()
})

test("the service's role cannot approve without votes, nor bring an approval back", async () => {
  const open = (state: string) => service`
    insert into countersign.approvals (
      id, state, live_key, requester_issuer, requester_type, requester_id, session_id, connection, action_name,
      action_digest, action, reasons, approvers, count, valid_s, operation_id, demand_decision_id, demand_revision,
      demanded_ms, expires_ms)
    values (gen_random_uuid(), ${state}, gen_random_uuid()::text, 'i', 'agent', 'a', 's', 'c', 'n', 'd', '{}', '[]',
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
  await admin.unsafe(`grant update on countersign.records to ${name}`)
  const without = await openStore({ ...options, migrate: false })
  expect(await without.ready()).toMatchObject({ ok: false })
  // The next start of the owner takes the excess away.
  const again = await openStore({ ...options, url })
  expect(await again.ready()).toEqual({ ok: true })
  await Promise.all([first, without, again].map((store) => store.close()))
  await admin.end()
})
