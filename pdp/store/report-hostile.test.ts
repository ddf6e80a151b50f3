import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { plantPep, rowsOf } from './testing-report.ts'
import { openTestStore } from './testing.ts'

/** What others write into leaves, and what nobody should. */

const DAY = 24 * 60 * 60_000
/** Some days ago: the log takes leaves by the clock. */
const T = Math.floor(Date.now() / DAY) * DAY - 5 * DAY
const period = { from_ms: T, to_ms: T + DAY }

test('what enforcement points write into details cannot break the report', async () => {
  const pep = plantPep('a')
  const { store } = await openTestStore()
  await store.log.append([
    pep.event(T, 'pep.started', { heartbeat_ms: { $ne: 1 } }),
    pep.event(T + 1, 'pep.started', { heartbeat_ms: 1e300 }),
    pep.event(T + 2, 'journal.recovered', { findings: 'none' }),
    pep.event(T + 3, "'; drop table countersign.leaves; --", { name: '\0\u202e' }),
    pep.intent(T + 4, { subject: '=cmd()\0', connection: '$1', masked: { $2: 1 } }),
  ])
  const report = await store.report.make(period, 0)
  expect(rowsOf(report, 'trouble')).toMatchObject([{ detail: '{"findings":"none"}' }])
  expect(rowsOf(report, 'accesses')).toMatchObject([{ subject: '=cmd()\ufffd', connection: '$1' }])
})

/** Puts texts into the log as somebody with the database could, past what the log takes. */
async function plantTexts(url: string, from: number, texts: readonly string[]): Promise<void> {
  const sql = postgres(url, { max: 1 })
  await sql`
    insert into countersign.leaves
      (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq, session_id, operation_id)
    select ${from}::bigint + n - 1, l.leaf, decode(repeat('00', 32), 'hex'), k.kind, ${T}::bigint, ${T}::bigint,
      case when k.kind in ('intent', 'decision', 'outcome', 'event') then 'spoilt' end, 'e-' || k.kind, n, 's-1', 'o-1'
    from unnest(${texts}::text[]) with ordinality l(leaf, n) cross join lateral (
      select (array['intent', 'decision', 'outcome', 'event', 'approval', 'policy', 'key', 'admin'])[1 + (n - 1) % 8] as kind) k`
  await sql.end()
}

const KINDS = ['intent', 'decision', 'outcome', 'event', 'approval', 'policy', 'key', 'admin']

describe('leaves that somebody changed in the database fail no figure', () => {
  test('what cannot be read is named, and counted without saying of what', async () => {
    const spoilt = [
      'no',
      '[1]',
      String.raw`{"v":1,"name":"a\u0000"}`,
      String.raw`{"v":1,"detail":{"a":"\\\ud800"}}`,
    ].flatMap((text) => KINDS.map(() => text))
    const { store, url } = await openTestStore()
    // Looks like such an escape, and is none.
    const subject = String.raw`C:\u0000\ud800`
    await store.log.append([plantPep('a').intent(T, { subject })])
    await plantTexts(url, 1, spoilt)
    const report = await store.report.make(period, 0)
    expect(rowsOf(report, 'unreadable_leaves').map(({ leaf, kind }) => [leaf, kind])).toEqual(
      spoilt.map((_text, at) => [at + 1, KINDS[at % KINDS.length]]).toReversed(),
    )
    expect(rowsOf(report, 'accesses').map((row) => [row['subject'], row['count']])).toEqual([
      [null, 4],
      [null, 4],
      [subject, 1],
    ])
  })

  test('members of any shape, or none', async () => {
    const names =
      `subject connection action decision refused session_id operation_id masked observed result status
      bytes_in bytes_out truncated name detail source event approval_id requester approvers count revision by approve reason
      config_digest bundles vkey also before`.split(/\s+/)
    const shapes: unknown[] = [
      null,
      true,
      -1,
      1.5,
      1e300,
      '',
      'x',
      [],
      {},
      [1],
      ['x'],
      [[]],
      [null],
      [{}],
      { a: 1 },
      { effect: 'allow', rules: 'x', keys: 1.5, approvals: {}, held: 'yes', connections: 3 },
      { effect: 'deny', rules: { a: 1 }, keys: 1e300, held: [], connections: {}, id: [] },
      [{ direction: 1, limit_bytes: 'many', name: [], git_revision: {} }],
      { email: 1.5, us_ssn: 'x', ip: null, iban: [], phone: 1e300 },
    ]
    const texts = shapes.flatMap((shape) =>
      KINDS.map(() => JSON.stringify(Object.fromEntries(names.map((name) => [name, shape])))),
    )
    // Of the shapes that queries look for by name, so that they get further.
    const acts = [
      'unmask',
      'export',
      'erase',
      'retain',
      'pep.started',
      'journal.recovered',
    ].flatMap((name) =>
      shapes.flatMap((detail) =>
        KINDS.map(() =>
          JSON.stringify({
            name,
            detail,
            result: 'unknown',
            approval_id: 'a',
            event: 'voted',
            decision: { effect: 'allow', rules: detail },
          }),
        ),
      ),
    )
    const { store, url } = await openTestStore()
    await plantTexts(url, 0, [...texts, ...acts])
    const report = await store.report.make(period, 0)
    expect(rowsOf(report, 'unreadable_leaves')).toEqual([])
    expect(rowsOf(report, 'erased').length).toBe(2 * shapes.length)
  })
})
