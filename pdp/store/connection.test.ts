import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { connect, type Transaction } from './connection.ts'
import { openTestDatabase } from './testing.ts'

const add = (transaction: Transaction, one: number) =>
  transaction.execute(sql`select ${one}::int + 1 as sum`)

/** What the server keeps of this connection, and how often each was used. */
const kept = (transaction: Transaction) =>
  transaction.execute(sql`
    select statement, (generic_plans + custom_plans)::int as used from pg_prepared_statements
    where statement like '% as sum'`)

test('a statement that repeats is read once, and used again', async () => {
  const { url } = await openTestDatabase()
  const { sql: client, repeating } = connect(url)
  await repeating.transaction(async (transaction) => {
    for (const one of [1, 2, 3]) expect(await add(transaction, one)).toEqual([{ sum: one + 1 }])
    expect(await kept(transaction)).toEqual([{ statement: 'select $1::int + 1 as sum', used: 3 }])
  })
  await client.end({ timeout: 1 })
})

test('what repeats is undone with its transaction as anything else', async () => {
  const { url } = await openTestDatabase()
  const { sql: client, repeating } = connect(url)
  await client`create table things (n int)`
  await expect(
    repeating.transaction(async (transaction) => {
      await transaction.execute(sql`insert into things values (${1}::int)`)
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  expect(await client`select from things`).toHaveLength(0)
  await client.end({ timeout: 1 })
})
