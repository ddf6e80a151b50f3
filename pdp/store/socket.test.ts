import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { connect } from './connection.ts'
import { openTestDatabase } from './testing.ts'

test('a connection that is lost within a transaction rejects it, ends no process, and another takes its place', async () => {
  const { url } = await openTestDatabase()
  const { sql } = connect(url)
  const lost = sql.begin(async (transaction) => {
    await transaction`select pg_terminate_backend(pg_backend_pid())`.catch(() => undefined)
    // As long as what a transaction does between two statements.
    await sleep(20)
    await transaction`select 1`
  })
  await expect(lost).rejects.toThrow('CONNECTION_CLOSED')
  await expect(
    sql.begin((transaction) => transaction`select pg_terminate_backend(pg_backend_pid())`),
  ).rejects.toThrow()
  expect(await sql`select 2 as n`).toEqual([{ n: 2 }])
  await sql.end({ timeout: 1 })
})

test('a server that is not there is told at once', async () => {
  const { sql } = connect('postgres://nobody@127.0.0.1:1/none')
  await expect(sql`select 1`).rejects.toThrow('ECONNREFUSED')
  await sql.end({ timeout: 1 })
})
