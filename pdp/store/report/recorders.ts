import {
  IN_PERIOD,
  json,
  limited,
  members,
  overLeaves,
  type Question,
  READ,
  readable,
} from './figure.ts'

/** When and where the record may lack something. */

/** A longer silence is a gap, unless the enforcement point said that it is heard of more seldom. */
const SILENCE_MS = 180_000

/** The name of an event, else the kind. Names are as long as who reports likes. */
const what = (leaf: string): string =>
  `case when ${leaf}.kind = 'event' then left((${json(leaf)}) ->> 'name', 200) else ${leaf}.kind end`

/** All lives of all enforcement points ever, by hops in the index over their frames: there are few. */
const EPOCHS = `epochs as (
  (select pep, epoch from countersign.leaves where pep is not null order by pep, epoch limit 1)
  union all
  select n.pep, n.epoch from epochs e cross join lateral (
    select pep, epoch from countersign.leaves
    where pep is not null and (pep, epoch) > (e.pep, e.epoch) order by pep, epoch limit 1) n
)`

/** How each life ended, or where it stands. */
const ENDS = `ends as (
  select e.pep, e.epoch, x.idx, x.time_ms, x.what
  from epochs e cross join lateral (
    select t.idx, t.time_ms, ${what('t')} as what from countersign.leaves t
    where t.pep = e.pep and t.epoch = e.epoch order by t.seq desc limit 1) x
)`

const gaps: Question = {
  name: 'gaps',
  title: 'Times without a recorder',
  about: `Silences of enforcement points: more than ${SILENCE_MS / 60_000} minutes, or three times what the point said it is heard of, without any leaf of it, not even a sign of life. It either did not run, and then nothing went through it, or its record is missing. Ended in order: it said that it stops. Without an end: silent to the end of the period. One that stopped in order before the period and did not come back is not listed.`,
  columns: {
    enforcement_point: 'text',
    since_ms: 'time',
    until_ms: 'time',
    silent_ms: 'duration',
    ended_in_order: 'boolean',
    last_leaf: 'text',
    next_leaf: 'text',
  },
  sql: overLeaves(
    `
select g.pep as enforcement_point, g.time_ms as since_ms, g.until_ms, coalesce(g.until_ms, $2::bigint) - g.time_ms as silent_ms,
  coalesce(g.what = 'pep.stopped', false) as ended_in_order, g.what as last_leaf, g.next_what as next_leaf
from spans g left join heartbeats h on h.pep = g.pep and h.epoch = g.epoch
where coalesce(g.until_ms, $2::bigint) >= $1::bigint and (g.what is distinct from 'pep.stopped' or g.until_ms is not null or g.time_ms >= $1::bigint)
  and coalesce(g.until_ms, $2::bigint) - g.time_ms > greatest(${SILENCE_MS}, 3 * coalesce(h.heartbeat_ms, 0))
order by g.time_ms desc, 1`,
    [
      EPOCHS,
      `seen as (
  select v.pep, v.epoch, v.seq, v.idx, v.time_ms, ${what('v')} as what
  from countersign.leaves v
  where v.pep is not null and v.time_ms < $2::bigint and ${READ}
)`,
      `-- The last leaf of each life before those that are read: a silence may have begun long ago.
earlier as (
  select e.pep, e.epoch, x.seq, x.idx, x.time_ms, x.what
  from epochs e
    left join (select pep, epoch, min(seq) as seq from seen group by 1, 2) s on s.pep = e.pep and s.epoch = e.epoch
    cross join lateral (
      select t.seq, t.idx, t.time_ms, ${what('t')} as what from countersign.leaves t
      where t.pep = e.pep and t.epoch = e.epoch and t.seq < coalesce(s.seq, 9223372036854775807) and t.time_ms < $2::bigint
      order by t.seq desc limit 1) x
)`,
      `spans as (
  select pep, epoch, time_ms, what, lead(time_ms) over w as until_ms, lead(what) over w as next_what
  from (select * from seen union all select * from earlier) every_leaf
  window w as (partition by pep order by time_ms, idx)
)`,
      `heartbeats as (
  select e.pep, e.epoch, x.heartbeat_ms
  from epochs e cross join lateral (
    select case when b.said ~ '^[0-9]{1,9}$' then b.said::bigint end as heartbeat_ms
    from countersign.leaves t cross join lateral (select ${json('t')} -> 'detail' ->> 'heartbeat_ms' as said) b
    where t.pep = e.pep and t.epoch = e.epoch and t.seq < 10000 and t.kind = 'event' and ${what('t')} = 'pep.started'
    order by t.seq limit 1) x
)`,
    ],
  ),
}

const starts: Question = {
  name: 'starts_without_stop',
  title: 'Starts without a stop before',
  about:
    'Enforcement points that started again and had not said that they stop: they were killed or crashed, or the end of their journal is missing.',
  columns: {
    enforcement_point: 'text',
    started_ms: 'time',
    last_seen_ms: 'time',
    last_leaf: 'text',
    leaf: 'number',
  },
  sql: overLeaves(
    `
select s.pep as enforcement_point, s.time_ms as started_ms, e.time_ms as last_seen_ms, e.what as last_leaf, s.idx as leaf
from marks s join ends e on e.idx = s.end_idx
where s.start and e.what is distinct from 'pep.stopped'
order by s.idx desc`,
    [
      EPOCHS,
      ENDS,
      `started as (
  select v.pep, v.idx, v.time_ms
  from countersign.leaves v ${members('name text')}
  where v.pep is not null and v.kind = 'event' and l.name = 'pep.started' and ${IN_PERIOD}
)`,
      `-- Each start with the newest end of a life before it.
marks as (
  select pep, idx, time_ms, start, max(case when not start then idx end) over (
    partition by pep order by idx, start desc rows between unbounded preceding and current row) as end_idx
  from (select pep, idx, time_ms, true as start from started
    union all select pep, idx, time_ms, false from ends) m
)`,
    ],
  ),
}

const trouble: Question = {
  name: 'trouble',
  title: 'What recorders and the log reported',
  about:
    'Sinks that failed for ten minutes (sink.failed), clocks that went back (clock.back), alarms of the log that a person ended (log.resumed), journals that failed and went on (journal.reopened), and journals found damaged or cut at a start (journal.recovered).',
  columns: {
    at_ms: 'time',
    event: 'text',
    side: 'text',
    source: 'text',
    detail: 'text',
    leaf: 'number',
  },
  sql: overLeaves(`
select v.time_ms as at_ms, l.name as event, case when v.pep is null then 'decision service' else 'enforcement point' end as side,
  coalesce(v.pep, l.source ->> 'pdp') as source, left(l.detail::text, 2000) as detail, v.idx as leaf
from countersign.leaves v ${members('name text, source json, detail json')}
where v.kind = 'event' and ${IN_PERIOD} and (
  v.pep is null and l.name in ('sink.failed', 'clock.back', 'log.resumed')
  or v.pep is not null and (l.name = 'journal.reopened'
    or l.name = 'journal.recovered' and coalesce(l.detail -> 'findings', '[]')::text <> '[]'))
order by v.idx desc`),
}

const conflicts: Question = {
  name: 'record_conflicts',
  title: 'Conflicts of records',
  about:
    'Frames of journals that came a second time with other bytes. The first one is on record and stays; somebody or something changed a journal. These are of a table beside the log, so nothing proves that none was taken out.',
  columns: {
    received_ms: 'time',
    enforcement_point: 'text',
    epoch: 'text',
    seq: 'number',
    on_record: 'text',
    offered: 'text',
  },
  sql: limited(`
select received_ms, pep as enforcement_point, epoch, seq, encode(digest, 'hex') as on_record, encode(offered, 'hex') as offered
from countersign.record_alarms
where received_ms >= $1::bigint and received_ms < $2::bigint
order by received_ms desc, 2, 3, 4, 6`),
}

const clocks: Question = {
  name: 'clocks',
  title: 'Leaves that came late, and clocks ahead',
  about:
    'By enforcement point, of leaves that the log took in the period: how many it took more than five minutes after they happened, and how many say that they happened more than a minute later than that. The period counts by the clock of who reports.',
  columns: {
    enforcement_point: 'text',
    late: 'number',
    latest_by_ms: 'duration',
    ahead: 'number',
    ahead_by_ms: 'duration',
  },
  sql: overLeaves(`
select v.pep as enforcement_point, count(*) filter (where v.logged_ms - v.time_ms > 300000) as late,
  max(v.logged_ms - v.time_ms) filter (where v.logged_ms - v.time_ms > 300000) as latest_by_ms,
  count(*) filter (where v.time_ms - v.logged_ms > 60000) as ahead,
  max(v.time_ms - v.logged_ms) filter (where v.time_ms - v.logged_ms > 60000) as ahead_by_ms
from countersign.leaves v
where v.pep is not null and ${READ} and v.logged_ms >= $1::bigint and v.logged_ms < $2::bigint
  and (v.logged_ms - v.time_ms > 300000 or v.time_ms - v.logged_ms > 60000)
group by 1 order by 1`),
}

export const totals: Question = {
  name: 'totals',
  title: 'Leaves by kind',
  about: 'Everything that the log has of the period.',
  columns: { kind: 'text', count: 'number', first_ms: 'time', last_ms: 'time' },
  sql: overLeaves(`
select v.kind, count(*) as count, min(v.time_ms) as first_ms, max(v.time_ms) as last_ms
from countersign.leaves v
where ${IN_PERIOD}
group by 1 order by count desc, 1`),
}

const unreadable: Question = {
  name: 'unreadable_leaves',
  title: 'Leaves that cannot be read',
  about:
    'Leaves whose text is not what the log wrote: it writes JSON, without characters that PostgreSQL refuses. Somebody changed the database. They count elsewhere without saying of what; countersign evidence verify on an export tells which leaves were changed, also those that can be read.',
  columns: { leaf: 'number', kind: 'text', at_ms: 'time', enforcement_point: 'text' },
  sql: overLeaves(`
select v.idx as leaf, v.kind, v.time_ms as at_ms, v.pep as enforcement_point
from countersign.leaves v
where not ${readable('v')} and ${IN_PERIOD}
order by v.idx desc`),
}

export const recorders = [gaps, starts, trouble, clocks, conflicts, unreadable]
