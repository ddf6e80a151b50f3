import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { beforeAll, describe, expect, test } from 'vitest'
import type { LeafBody } from '../evidence/log-store.ts'
import type { Report } from './report/figure.ts'
import type { Store } from './store.ts'
import { by, figureOf, plantPdp, plantPep, rowsOf } from './testing-report.ts'
import { openTestStore } from './testing.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Noon, some days ago: the log takes leaves by the clock. */
const T = Math.floor(Date.now() / DAY) * DAY - 5 * DAY + DAY / 2
const period = { from_ms: T, to_ms: T + DAY }

async function planted(
  leaves: readonly LeafBody[],
): Promise<{ store: Store; url: string; report: Report }> {
  const { store, url } = await openTestStore()
  if (leaves.length > 0) await store.log.append(leaves)
  return { store, url, report: await store.report.make(period, Date.now()) }
}

const PERSON = { person_type: 'user', issuer: 'https://login.example.com' }
const AGENT = { subject_type: 'agent', issuer: 'https://login.example.com' }

describe('planted leaves give exactly their figures', () => {
  let url: string
  let report: Report
  const denied = [randomUUID(), randomUUID()] as const
  beforeAll(async () => {
    const pep = plantPep('pep-1')
    const leaves = [
      plantPdp.key(T - DAY, 'began', 'log+1+AAA'),
      plantPdp.policy(T - DAY, 'r-1', 'git-1'),
      pep.event(T - MINUTE, 'pep.started', { heartbeat_ms: MINUTE }),
      // Of the hour before the period: in none of the figures.
      pep.intent(T - 1, { operation: 'o-0', subject: 'agent-0', masked: { email: 4 } }),
      pep.intent(T, { operation: 'o-1', masked: { email: 2 } }),
      // An outcome counts what its request had as well.
      pep.outcome(T + 1, 'o-1', {
        status: 200,
        masked: { email: 2, us_ssn: 3 },
        observed: { ip: 1 },
      }),
      pep.outcome(T + 2, 'o-0', {
        masked: { email: 5 },
        truncated: [{ direction: 'received', limit_bytes: 1024 }],
      }),
      pep.intent(T + 3, { operation: 'o-2', revision: 'r-2' }),
      pep.outcome(T + 4, 'o-2', { result: 'unknown', bytes_in: 0, bytes_out: 0 }),
      pep.decision(T + 5, {
        subject: 'agent-2',
        connection: 'customers',
        action: 'http.request',
        effect: 'deny',
        rules: ['deny_admin', 'deny_all'],
        refused: 'denied',
        decision: denied[0],
      }),
      pep.decision(T + 6, {
        subject: 'agent-2',
        connection: 'customers',
        action: 'http.request',
        effect: 'deny',
        rules: ['deny_admin', 'deny_all'],
        refused: 'denied',
        decision: denied[1],
      }),
      pep.decision(T + 7, { action: 'anthropic.tool_use' }),
      pep.decision(T + 8, {
        action: 'anthropic.tool_use',
        effect: 'approve',
        rules: ['approve_rm'],
        refused: 'approval_denied',
        decision: 'd-tool',
      }),
      plantPdp.approval(T + 10, 'a-1', 'demanded'),
      plantPdp.approval(T + 11, 'a-1', 'voted', { by: by('olivia'), approve: true }),
      plantPdp.approval(T + 11, 'a-1', 'approved'),
      plantPdp.approval(T + 12, 'a-1', 'consumed'),
      plantPdp.approval(T + 13, 'a-2', 'demanded'),
      plantPdp.approval(T + 14, 'a-2', 'voted', { by: by('oscar'), approve: false }),
      plantPdp.approval(T + 14, 'a-2', 'denied'),
      // Demanded before the period, used after it.
      plantPdp.approval(T - 5, 'a-3', 'demanded', { count: 2 }),
      plantPdp.approval(T + 15, 'a-3', 'voted', { by: by('olivia'), approve: true }),
      plantPdp.approval(T + DAY, 'a-3', 'approved'),
      plantPdp.approval(T - 9, 'a-4', 'demanded'),
      plantPdp.act(T + 20, 'unmask', 'olivia', {
        session_id: 's-1',
        reason: 'Ticket 4711.',
        detail: { connections: ['claude'] },
      }),
      plantPdp.act(T + 21, 'unmask', 'mallory', {
        session_id: 's-1',
        decision: { id: 'd', effect: 'deny', rules: ['deny_unmask'], revision: 'r-1' },
        detail: { connections: ['claude'] },
      }),
      plantPdp.act(T + 22, 'export', 'olivia', { detail: { what: 'bodies' }, reason: 'audit' }),
      plantPdp.act(T + 23, 'erase', 'olivia', {
        session_id: 's-9',
        detail: { keys: 2, approvals: 1 },
      }),
      plantPdp.act(T + 24, 'erase', 'olivia', { session_id: 's-8', detail: { held: true } }),
      plantPdp.act(T + 25, 'hold', 'olivia', { detail: { connection: 'claude', hold: 'h-1' } }),
      plantPdp.policy(T + 30, 'r-2', 'git-2'),
      plantPdp.policy(T + 31, 'r-3'),
      plantPdp.policy(T + DAY, 'r-4'),
      plantPdp.key(T + 40, 'rotated', 'log+2+BBB', 'log+1+AAA'),
      plantPdp.event(T + 50, 'sink.failed', { sink: 'siem', problem: 'timeout' }),
      plantPdp.event(T + 51, 'clock.back', { by_ms: 5000 }),
      pep.event(T + 52, 'journal.recovered', { epochs: [], findings: [], closed: 0 }),
      pep.event(T + 53, 'journal.recovered', { findings: [{ kind: 'torn' }], closed: 1 }),
      // What an enforcement point says in the service's words is not the service's.
      pep.event(T + 54, 'log.resumed', {}),
    ]
    ;({ url, report } = await planted(leaves))
    // A conflict of records is not a leaf.
    const sql = postgres(url, { max: 1 })
    await sql`insert into countersign.record_alarms values ('pep-1', 'e-1', 7, '\\x01', '\\x02', ${T + 60})`
    await sql.end()
  })

  test('accesses by subject, connection, action, effect and revision', () => {
    const claude = { connection: 'claude', action: 'anthropic.messages.create' }
    const tool = { connection: 'claude', action: 'anthropic.tool_use' }
    const one = { ...AGENT, subject: 'agent-1', count: 1 }
    expect(rowsOf(report, 'accesses')).toEqual([
      {
        ...AGENT,
        subject: 'agent-2',
        connection: 'customers',
        action: 'http.request',
        effect: 'deny',
        ended: 'refused',
        revision: 'r-1',
        count: 2,
        first_ms: T + 5,
        last_ms: T + 6,
      },
      ...[
        { ...claude, effect: 'allow', ended: 'forwarded', revision: 'r-1', at: T },
        { ...claude, effect: 'allow', ended: 'forwarded', revision: 'r-2', at: T + 3 },
        { ...tool, effect: 'allow', ended: 'released', revision: 'r-1', at: T + 7 },
        { ...tool, effect: 'approve', ended: 'refused', revision: 'r-1', at: T + 8 },
      ].map(({ at, ...row }) => ({ ...one, ...row, first_ms: at, last_ms: at })),
    ])
    expect(rowsOf(report, 'days')).toEqual([
      {
        day: new Date(T).toISOString().slice(0, 10),
        forwarded: 2,
        released: 1,
        refused: 3,
        denied: 2,
      },
    ])
    expect(rowsOf(report, 'connections')).toEqual([
      {
        connection: 'claude',
        operations: 4,
        forwarded: 2,
        released: 1,
        refused: 1,
        subjects: 1,
      },
      {
        connection: 'customers',
        operations: 2,
        forwarded: 0,
        released: 0,
        refused: 2,
        subjects: 1,
      },
    ])
  })

  test('denials with their rules and newest decision, refusals by code, tool calls that were refused', () => {
    expect(rowsOf(report, 'denials')).toEqual([
      {
        ...AGENT,
        subject: 'agent-2',
        connection: 'customers',
        action: 'http.request',
        rules: ['deny_admin', 'deny_all'],
        count: 2,
        last_ms: T + 6,
        newest_decision: denied[1],
      },
    ])
    expect(rowsOf(report, 'refusals').map(({ code, count }) => [code, count])).toEqual([
      ['denied', 2],
      ['approval_denied', 1],
    ])
    expect(rowsOf(report, 'tool_calls_refused')).toEqual([
      {
        ...AGENT,
        subject: 'agent-1',
        session: 's-1',
        connection: 'claude',
        action: 'anthropic.tool_use',
        code: 'approval_denied',
        rules: ['approve_rm'],
        count: 1,
        last_ms: T + 8,
        newest_decision: 'd-tool',
      },
    ])
  })

  test('masked values of requests and answers, also of an operation that began before', () => {
    const row = { connection: 'claude', part: 'answer', masked: 0, observed: 0 }
    expect(rowsOf(report, 'masked')).toEqual([
      { ...row, detector: 'us_ssn', masked: 3 },
      { ...row, detector: 'email', part: 'request', masked: 2 },
      { ...row, detector: 'email', masked: 1 },
      { ...row, detector: 'ip', observed: 1 },
    ])
    expect(rowsOf(report, 'truncated_bodies')).toEqual([
      { connection: 'claude', direction: 'received', limit_bytes: 1024, count: 1, last_ms: T + 2 },
    ])
  })

  test('how operations ended, and sessions with ends that nobody saw', () => {
    expect(rowsOf(report, 'outcomes')).toEqual([
      { result: 'completed', status: 200, count: 1, bytes_in: 10, bytes_out: 20 },
      { result: 'completed', status: null, count: 1, bytes_in: 10, bytes_out: 20 },
      { result: 'unknown', status: null, count: 1, bytes_in: 0, bytes_out: 0 },
    ])
    expect(rowsOf(report, 'unknown_outcomes')).toEqual([
      {
        session: 's-1',
        ...AGENT,
        subject: 'agent-0',
        count: 1,
        first_ms: T + 4,
        last_ms: T + 4,
      },
    ])
  })

  test('approvals with votes and times, as they stood at the end of the period', () => {
    const iso = (ms: number): string => new Date(ms).toISOString()
    const common = {
      requester: 'agent-1',
      requester_type: 'agent',
      issuer: AGENT.issuer,
      session: 's-1',
      connection: 'customers',
      action: 'http.request',
      approvers: ['approvers'],
      needed: 1,
      revision: 'r-1',
      decided_ms: null,
      used_ms: null,
      erased_ms: null,
    }
    expect(rowsOf(report, 'approvals')).toEqual([
      {
        ...common,
        approval: 'a-2',
        demanded_ms: T + 13,
        outcome: 'denied',
        votes: [`denied ${iso(T + 14)} https://login.example.com user oscar`],
        decided_ms: T + 14,
      },
      {
        ...common,
        approval: 'a-1',
        demanded_ms: T + 10,
        outcome: 'used',
        votes: [`approved ${iso(T + 11)} https://login.example.com user olivia`],
        decided_ms: T + 11,
        used_ms: T + 12,
      },
      {
        ...common,
        approval: 'a-3',
        demanded_ms: T - 5,
        outcome: 'waiting',
        votes: [`approved ${iso(T + 15)} https://login.example.com user olivia`],
        needed: 2,
      },
    ])
  })

  test('unmaskings with whose session and why, refused tries, and other acts', () => {
    const session = { session: 's-1', of_subject: 'agent-0', of_issuer: AGENT.issuer }
    expect(rowsOf(report, 'unmaskings')).toMatchObject([
      { ...PERSON, ...session, person: 'mallory', allowed: false, reason: null },
      {
        ...PERSON,
        ...session,
        at_ms: T + 20,
        person: 'olivia',
        allowed: true,
        connections: ['claude'],
        reason: 'Ticket 4711.',
        rules: ['allow_security'],
      },
    ])
    expect(rowsOf(report, 'acts').map(({ act }) => act)).toEqual([
      'hold',
      'erase',
      'erase',
      'export',
    ])
    expect(rowsOf(report, 'erased')).toMatchObject([
      { session: 's-8', keys: null, approvals: null, held: true },
      { session: 's-9', keys: 2, approvals: 1, held: false },
    ])
  })

  test('policy revisions with their git revision and how many they decided', () => {
    const found = rowsOf(report, 'policy_changes')
    expect(found).toMatchObject([
      { revision: 'r-3', before: 'r-2', active_ms: T + 31, until_ms: null, decisions: 0 },
      { revision: 'r-2', before: 'r-1', git_revisions: ['git-2'], decisions: 1, denied: 0 },
      { revision: 'r-1', before: null, active_ms: T - DAY, until_ms: T + 30, decisions: 5 },
    ])
    expect(found[1]?.['bundles']).toEqual(['default bundle-r-2 abc'])
    expect(rowsOf(report, 'keys').map(({ event, before }) => [event, before])).toEqual([
      ['rotated', 'log+1+AAA'],
      ['began', null],
    ])
  })

  test('what recorders and the log reported, in their own name', () => {
    expect(rowsOf(report, 'trouble').map(({ event, side }) => [event, side])).toEqual([
      ['journal.recovered', 'enforcement point'],
      ['clock.back', 'decision service'],
      ['sink.failed', 'decision service'],
    ])
    expect(rowsOf(report, 'trouble')[2]?.['detail']).toBe('{"problem":"timeout","sink":"siem"}')
  })

  test('the queries that are shown give the same rows when somebody else runs them', async () => {
    const sql = postgres(url, { max: 1 })
    for (const figure of report.sections.flatMap(({ figures }) => figures)) {
      if (figure.name === 'record_conflicts') continue
      const text = figure.sql.replaceAll('$1', String(T)).replaceAll('$2', String(T + DAY))
      const rows = await sql.unsafe<Record<string, unknown>[]>(text)
      expect([figure.name, rows.map((row) => Object.keys(row).length)]).toEqual([
        figure.name,
        figure.rows.map((row) => row.length),
      ])
      const plain = (cell: unknown): string => JSON.stringify(cell).replaceAll('"', '')
      expect(rows.map((row) => Object.values(row).map(plain))).toEqual(
        figure.rows.map((row) => row.map(plain)),
      )
    }
    await sql.end()
  })
})

test('silences of enforcement points are told with what was before and after them', async () => {
  const first = plantPep('a')
  const second = plantPep('a')
  const crashed = plantPep('b')
  const again = plantPep('b')
  const slow = plantPep('slow')
  const gone = plantPep('gone')
  const retired = plantPep('retired')
  const { report } = await planted([
    gone.event(T - 9 * DAY, 'pep.alive'),
    retired.event(T - 9 * DAY, 'pep.stopped'),
    // In order.
    first.event(T + MINUTE, 'pep.started', { heartbeat_ms: MINUTE }),
    first.event(T + 3 * MINUTE, 'pep.alive'),
    first.event(T + 6 * MINUTE, 'pep.stopped'),
    second.event(T + HOUR, 'journal.recovered', { findings: [], closed: 0 }),
    second.event(T + HOUR, 'pep.started', { heartbeat_ms: 'often' }),
    second.event(T + HOUR + 3 * MINUTE + 1, 'pep.alive'),
    second.event(T + HOUR + 4 * MINUTE, 'pep.stopped'),
    // Killed, and back after the night.
    crashed.event(T - 3 * DAY, 'pep.started', { heartbeat_ms: MINUTE }),
    crashed.event(T - 2 * DAY, 'pep.alive'),
    again.event(T + 2 * HOUR, 'pep.started', { heartbeat_ms: MINUTE }),
    again.event(T + 2 * HOUR, 'pep.stopped'),
    // Heard of every hour.
    slow.event(T - HOUR, 'pep.started', { heartbeat_ms: HOUR }),
    ...Array.from({ length: 24 }, (_, at) => slow.event(T + at * HOUR, 'pep.alive')),
    slow.event(T + DAY - 1, 'pep.stopped'),
  ])
  const at = { enforcement_point: 'a', ended_in_order: false }
  expect(rowsOf(report, 'gaps')).toEqual([
    {
      ...at,
      enforcement_point: 'b',
      since_ms: T + 2 * HOUR,
      until_ms: null,
      silent_ms: 22 * HOUR,
      ended_in_order: true,
      last_leaf: 'pep.stopped',
      next_leaf: null,
    },
    {
      ...at,
      since_ms: T + HOUR + 4 * MINUTE,
      until_ms: null,
      silent_ms: DAY - HOUR - 4 * MINUTE,
      ended_in_order: true,
      last_leaf: 'pep.stopped',
      next_leaf: null,
    },
    {
      ...at,
      since_ms: T + HOUR,
      until_ms: T + HOUR + 3 * MINUTE + 1,
      silent_ms: 3 * MINUTE + 1,
      last_leaf: 'pep.started',
      next_leaf: 'pep.alive',
    },
    {
      ...at,
      since_ms: T + 6 * MINUTE,
      until_ms: T + HOUR,
      silent_ms: HOUR - 6 * MINUTE,
      ended_in_order: true,
      last_leaf: 'pep.stopped',
      next_leaf: 'journal.recovered',
    },
    {
      ...at,
      enforcement_point: 'b',
      since_ms: T - 2 * DAY,
      until_ms: T + 2 * HOUR,
      silent_ms: 2 * DAY + 2 * HOUR,
      last_leaf: 'pep.alive',
      next_leaf: 'pep.started',
    },
    {
      ...at,
      enforcement_point: 'gone',
      since_ms: T - 9 * DAY,
      until_ms: null,
      silent_ms: 10 * DAY,
      last_leaf: 'pep.alive',
      next_leaf: null,
    },
  ])
  expect(rowsOf(report, 'starts_without_stop')).toMatchObject([
    { enforcement_point: 'b', started_ms: T + 2 * HOUR, last_seen_ms: T - 2 * DAY },
  ])
})

test('signs of life that were seldom once hide no silence of a later life', async () => {
  const seldom = plantPep('a')
  const often = plantPep('a')
  const { report } = await planted([
    seldom.event(T - HOUR, 'pep.started', { heartbeat_ms: HOUR }),
    seldom.event(T, 'pep.stopped'),
    often.event(T + MINUTE, 'pep.started', { heartbeat_ms: MINUTE }),
    often.event(T + HOUR, 'pep.alive'),
    often.event(T + HOUR + MINUTE, 'pep.stopped'),
  ])
  expect(rowsOf(report, 'gaps').map(({ since_ms, until_ms }) => [since_ms, until_ms])).toEqual([
    [T + HOUR + MINUTE, null],
    [T + MINUTE, T + HOUR],
  ])
})

test('ten thousand lives of an enforcement point that kept crashing are told', async () => {
  const lives = Array.from({ length: 10_000 }, (_, at) =>
    plantPep('a').event(T + at, 'pep.started', { heartbeat_ms: MINUTE }),
  )
  const { report } = await planted(lives)
  expect(rowsOf(report, 'starts_without_stop').length).toBe(9_999)
})

test('a gap that began long before what is read is still told', async () => {
  const old = plantPep('a')
  const { store } = await planted([old.event(T - 9 * DAY, 'pep.alive')])
  const head = await store.log.head()
  const checkpoint = { size: head.size, root: Buffer.alloc(32, 7), note: 'a note\n' }
  await store.log.checkpoints.add({ ...checkpoint, at_ms: T - 8 * DAY })
  await store.log.append([old.event(T + HOUR, 'pep.alive')])
  const report = await store.report.make(period, 5)
  expect(rowsOf(report, 'gaps').map(({ since_ms, until_ms }) => [since_ms, until_ms])).toEqual([
    [T + HOUR, null],
    [T - 9 * DAY, T + HOUR],
  ])
  expect(report).toMatchObject({
    made_ms: 5,
    period,
    log: { size: 2, checkpoint: { size: 1, root: '07'.repeat(32), note: 'a note\n' } },
  })
})

test('leaves that a checkpoint covered a day before the period are not read', async () => {
  const pep = plantPep('a')
  const { store, report } = await planted([pep.intent(T + 1)])
  expect(rowsOf(report, 'accesses')).toHaveLength(1)
  const checkpoint = { size: 1, root: Buffer.alloc(32), note: '' }
  await store.log.checkpoints.add({ ...checkpoint, at_ms: T - DAY })
  expect(rowsOf(await store.report.make(period, 0), 'accesses')).toEqual([])
})

test('a period of an empty log has every figure, without rows', async () => {
  const { report } = await planted([])
  const figures = report.sections.flatMap(({ figures: some }) => some)
  expect(figures.map(({ rows }) => rows.length)).toEqual(figures.map(() => 0))
  expect(figures.length).toBeGreaterThan(18)
  expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length)
  expect(report.log).toEqual({ size: 0, logged_ms: 0 })
})

test('clocks that are ahead are told, and leaves that came late', async () => {
  const { store } = await openTestStore()
  const now_ms = Date.now()
  const pep = plantPep('a')
  await store.log.append([
    pep.event(now_ms + HOUR, 'pep.alive'),
    pep.event(now_ms - DAY, 'pep.alive'),
  ])
  const report = await store.report.make({ from_ms: now_ms - HOUR, to_ms: now_ms + HOUR }, 0)
  const [row] = rowsOf(report, 'clocks')
  expect(row).toMatchObject({ enforcement_point: 'a', late: 1, ahead: 1 })
  expect(Number(row?.['ahead_by_ms'])).toBeGreaterThan(HOUR - MINUTE)
  expect(Number(row?.['latest_by_ms'])).toBeGreaterThanOrEqual(DAY)
})

test('a figure has at most ten thousand rows and says when there are more', async () => {
  const pep = plantPep('a')
  const leaves = Array.from({ length: 10_001 }, (_, at) =>
    pep.intent(T + at, { subject: `agent-${at}` }),
  )
  const { report } = await planted(leaves)
  const accesses = figureOf(report, 'accesses')
  expect([accesses.rows.length, accesses.truncated]).toEqual([10_000, true])
  expect(figureOf(report, 'connections').truncated).toBe(false)
})

test('a hundred thousand leaves are counted to the last one', { timeout: 90_000 }, async () => {
  const { store, url } = await openTestStore()
  const pep = plantPep('a', 'e')
  const started = pep.event(T, 'pep.started')
  const texts = [
    pep.intent(T, { subject: '%1', operation: 'o-%2' }),
    pep.outcome(T, 'o-%2', { masked: { email: 1 } }),
    pep.decision(T, { effect: 'deny', refused: 'denied', subject: '%1' }),
    pep.event(T, 'pep.alive'),
  ].map((leaf) => JSON.stringify(leaf))
  await store.log.append([started])
  const sql = postgres(url, { max: 1 })
  await sql`
    insert into countersign.leaves (idx, leaf, hash, kind, time_ms, logged_ms, pep, epoch, seq, session_id, operation_id)
    select i, replace(replace(x.leaf, '%1', 'agent-' || i % 7), '%2', ((i - 1) / 4)::text), decode(repeat('00', 32), 'hex'),
      x.leaf::json ->> 'kind', ${T}::bigint + i * 800, ${T}::bigint, 'a', 'e', i, x.leaf::json ->> 'session_id', case when x.n = 4 then null else 'o-' || (i - 1) / 4 end
    from generate_series(1, 100000) i
      join unnest(${texts}::text[]) with ordinality x(leaf, n) on n = 1 + (i - 1) % 4`
  await sql.end()
  const report = await store.report.make(period, 0)
  expect(rowsOf(report, 'totals').map(({ kind, count }) => [kind, count])).toEqual([
    ['event', 25_001],
    ['decision', 25_000],
    ['intent', 25_000],
    ['outcome', 25_000],
  ])
  expect(rowsOf(report, 'masked')).toMatchObject([{ connection: 'claude', masked: 25_000 }])
  expect(rowsOf(report, 'gaps')).toHaveLength(1)
})
