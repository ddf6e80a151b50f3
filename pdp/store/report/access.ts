import {
  array,
  IN_PERIOD,
  json,
  list,
  members,
  object,
  overLeaves,
  type Question,
  READ,
  whole,
} from './figure.ts'

/** Who reached what, and what was refused or masked on the way. */

const DESCRIBED = 'subject json, connection text, action text, decision json, refused text'

const subjects = { subject: 'text', subject_type: 'text', issuer: 'text' } as const
const SUBJECT = `l.subject ->> 'id' as subject, l.subject ->> 'type' as subject_type, l.subject ->> 'issuer' as issuer`

/** What became of a decision; the leaf tells. */
const ENDED = `case when v.kind = 'intent' then 'forwarded' when l.refused is null then 'released' else 'refused' end`

/** Beginnings of operations; an outcome does not say of what it is. The first counts. */
const OPERATIONS = `operations as (
  select distinct on (v.pep, v.operation_id) v.pep, v.operation_id, l.connection, l.masked, l.observed
  from countersign.leaves v ${members('connection text, masked json, observed json')}
  where v.kind = 'intent' and ${READ}
  order by v.pep, v.operation_id, v.idx
)`

/** Of what an outcome counts, which is of the whole operation, what its request did not have. */
const added = (before: string): string =>
  `greatest(${whole('value')} - coalesce(${whole(`${before} ->> key`)}, 0), 0)`

const days: Question = {
  name: 'days',
  title: 'Operations by day',
  about:
    'Decided operations by day in UTC. Forwarded: went upstream. Released: a tool call in a reply that the agent got. Refused: neither. Denied: the effect of policy was deny.',
  columns: {
    day: 'text',
    forwarded: 'number',
    released: 'number',
    refused: 'number',
    denied: 'number',
  },
  sql: overLeaves(`
select to_char(to_timestamp(v.time_ms / 1000) at time zone 'UTC', 'YYYY-MM-DD') as day,
  count(*) filter (where v.kind = 'intent') as forwarded,
  count(*) filter (where v.kind = 'decision' and l.refused is null) as released,
  count(*) filter (where l.refused is not null) as refused,
  count(*) filter (where l.decision ->> 'effect' = 'deny') as denied
from countersign.leaves v ${members('decision json, refused text')}
where v.kind in ('intent', 'decision') and ${IN_PERIOD}
group by 1 order by 1`),
}

const accesses: Question = {
  name: 'accesses',
  title: 'Who accessed what',
  about:
    'Decided operations by subject, connection, action, effect, what became of them, and the policy revision that decided.',
  columns: {
    ...subjects,
    connection: 'text',
    action: 'text',
    effect: 'text',
    ended: 'text',
    revision: 'text',
    count: 'number',
    first_ms: 'time',
    last_ms: 'time',
  },
  sql: overLeaves(`
select ${SUBJECT},
  l.connection, l.action, l.decision ->> 'effect' as effect,
  ${ENDED} as ended,
  l.decision ->> 'revision' as revision, count(*) as count, min(v.time_ms) as first_ms, max(v.time_ms) as last_ms
from countersign.leaves v ${members(DESCRIBED)}
where v.kind in ('intent', 'decision') and ${IN_PERIOD}
group by 1, 2, 3, 4, 5, 6, 7, 8 order by count desc, 1, 2, 3, 4, 5, 6, 7, 8`),
}

const connections: Question = {
  name: 'connections',
  title: 'Operations by connection',
  about: 'Decided operations by connection, and how many subjects made them.',
  columns: {
    connection: 'text',
    operations: 'number',
    forwarded: 'number',
    released: 'number',
    refused: 'number',
    subjects: 'number',
  },
  sql: overLeaves(`
select l.connection, count(*) as operations,
  count(*) filter (where v.kind = 'intent') as forwarded,
  count(*) filter (where v.kind = 'decision' and l.refused is null) as released,
  count(*) filter (where l.refused is not null) as refused,
  count(distinct (l.subject ->> 'issuer', l.subject ->> 'type', l.subject ->> 'id')) as subjects
from countersign.leaves v ${members('subject json, connection text, refused text')}
where v.kind in ('intent', 'decision') and ${IN_PERIOD}
group by 1 order by operations desc, 1`),
}

const denials: Question = {
  name: 'denials',
  title: 'Denials',
  about: 'Operations whose decision had the effect deny, by subject, connection, action and rules.',
  columns: {
    ...subjects,
    connection: 'text',
    action: 'text',
    rules: 'list',
    count: 'number',
    last_ms: 'time',
    newest_decision: 'text',
  },
  sql: overLeaves(
    `
select d.subject, d.subject_type, d.issuer, d.connection, d.action, d.rules, d.count, d.last_ms,
  (select ${json('n')} -> 'decision' ->> 'id' from countersign.leaves n where n.idx = d.newest_idx) as newest_decision
from denied d
order by d.count desc, 1, 2, 3, 4, 5, 6`,
    [
      `denied as (
  select ${SUBJECT}, l.connection, l.action,
    ${list(`l.decision -> 'rules'`)} as rules, count(*) as count, max(v.time_ms) as last_ms, max(v.idx) as newest_idx
  from countersign.leaves v ${members(DESCRIBED)}
  where v.kind = 'decision' and l.decision ->> 'effect' = 'deny' and ${IN_PERIOD}
  group by 1, 2, 3, 4, 5, 6
)`,
    ],
  ),
}

const refusals: Question = {
  name: 'refusals',
  title: 'Refusals by code',
  about:
    'Operations that were refused, by the code of the refusal: denied by policy, an approval that was not given, an upstream that could not be reached, and so on.',
  columns: {
    code: 'text',
    connection: 'text',
    action: 'text',
    count: 'number',
    first_ms: 'time',
    last_ms: 'time',
  },
  sql: overLeaves(`
select l.refused as code, l.connection, l.action, count(*) as count, min(v.time_ms) as first_ms, max(v.time_ms) as last_ms
from countersign.leaves v ${members(DESCRIBED)}
where v.kind = 'decision' and l.refused is not null and ${IN_PERIOD}
group by 1, 2, 3 order by count desc, 1, 2, 3`),
}

const toolCalls: Question = {
  name: 'tool_calls_refused',
  title: 'Tool calls refused',
  about:
    'Calls of tools that the agent did not get, by session. Which tool and with what is content: countersign sessions show tells who may see it.',
  columns: {
    ...subjects,
    session: 'text',
    connection: 'text',
    action: 'text',
    code: 'text',
    rules: 'list',
    count: 'number',
    last_ms: 'time',
    newest_decision: 'text',
  },
  sql: overLeaves(
    `
select d.subject, d.subject_type, d.issuer, d.session, d.connection, d.action, d.code, d.rules, d.count, d.last_ms,
  (select ${json('n')} -> 'decision' ->> 'id' from countersign.leaves n where n.idx = d.newest_idx) as newest_decision
from refused_calls d
order by d.last_ms desc, d.newest_idx desc`,
    [
      `refused_calls as (
  select ${SUBJECT}, l.session_id as session, l.connection, l.action, l.refused as code,
    ${list(`l.decision -> 'rules'`)} as rules, count(*) as count, max(v.time_ms) as last_ms, max(v.idx) as newest_idx
  from countersign.leaves v ${members(`session_id text, ${DESCRIBED}`)}
  where v.kind = 'decision' and l.refused is not null and l.action ~ '[.](tool_use|tools[.]call)$' and ${IN_PERIOD}
  group by 1, 2, 3, 4, 5, 6, 7, 8
)`,
    ],
  ),
}

const masked: Question = {
  name: 'masked',
  title: 'Values masked',
  about:
    'Values that detectors found in requests and answers: replaced (masked), or only counted because policy says so (observed). Outcomes count both; what the request had is taken off for the answer. No connection: the operation began before the leaves that are read; what its request had is then with its answer.',
  columns: {
    connection: 'text',
    detector: 'text',
    part: 'text',
    masked: 'number',
    observed: 'number',
  },
  sql: overLeaves(
    `
select f.connection, x.detector, f.part, sum(x.masked) as masked, sum(x.observed) as observed
from found f cross join lateral (
  select key as detector, ${added('f.masked_before')} as masked, 0 as observed from json_each_text(${object('f.masked')})
  union all
  select key, 0, ${added('f.observed_before')} from json_each_text(${object('f.observed')})) x
where x.masked > 0 or x.observed > 0
group by 1, 2, 3 order by masked desc, observed desc, 1, 2, 3`,
    [
      OPERATIONS,
      `found as (
  select l.connection, 'request' as part, l.masked, l.observed, null::json as masked_before, null::json as observed_before
  from countersign.leaves v ${members('connection text, masked json, observed json')}
  where v.kind in ('intent', 'decision') and ${IN_PERIOD}
  union all
  select o.connection, 'answer', l.masked, l.observed, o.masked, o.observed
  from countersign.leaves v ${members('masked json, observed json')}
    left join operations o on o.pep = v.pep and o.operation_id = v.operation_id
  where v.kind = 'outcome' and (l.masked::text <> '{}' or l.observed::text <> '{}') and ${IN_PERIOD}
)`,
    ],
  ),
}

const outcomes: Question = {
  name: 'outcomes',
  title: 'How operations ended',
  about:
    'Ends of forwarded operations by result and by the status of the upstream, with the bytes that went in and out. Unknown: nobody saw the end.',
  columns: {
    result: 'text',
    status: 'number',
    count: 'number',
    bytes_in: 'number',
    bytes_out: 'number',
  },
  sql: overLeaves(`
select l.result, ${whole('l.status')} as status, count(*) as count, sum(${whole('l.bytes_in')}) as bytes_in,
  sum(${whole('l.bytes_out')}) as bytes_out
from countersign.leaves v ${members('result text, status text, bytes_in text, bytes_out text')}
where v.kind = 'outcome' and ${IN_PERIOD}
group by 1, 2 order by count desc, 1, 2`),
}

const unknown: Question = {
  name: 'unknown_outcomes',
  title: 'Sessions with operations whose end nobody saw',
  about:
    'Operations that were forwarded and whose outcome is unknown, because the enforcement point or its disk failed meanwhile.',
  columns: {
    session: 'text',
    ...subjects,
    count: 'number',
    first_ms: 'time',
    last_ms: 'time',
  },
  sql: overLeaves(
    `
select u.session, ${SUBJECT.replaceAll('l.subject', 's.subject')}, u.count, u.first_ms, u.last_ms
from unknown_ends u left join lateral (
  select ${json('d')} -> 'subject' as subject from countersign.leaves d
  where d.session_id = u.session and d.kind in ('intent', 'decision') order by d.idx limit 1) s on true
order by u.last_ms desc, 1`,
    [
      `unknown_ends as (
  select v.session_id as session, count(*) as count, min(v.time_ms) as first_ms, max(v.time_ms) as last_ms
  from countersign.leaves v ${members('result text')}
  where v.kind = 'outcome' and l.result = 'unknown' and ${IN_PERIOD}
  group by 1
)`,
    ],
  ),
}

const truncated: Question = {
  name: 'truncated_bodies',
  title: 'Bodies that are not whole on record',
  about:
    'Bodies that were longer than what is kept of one, by connection and direction. All of it was inspected and passed on; the record has its beginning. No connection: the operation began before the leaves that are read.',
  columns: {
    connection: 'text',
    direction: 'text',
    limit_bytes: 'number',
    count: 'number',
    last_ms: 'time',
  },
  sql: overLeaves(
    `
select o.connection, t ->> 'direction' as direction, ${whole(`t ->> 'limit_bytes'`)} as limit_bytes, count(*) as count,
  max(v.time_ms) as last_ms
from countersign.leaves v ${members('truncated json')}
  cross join lateral json_array_elements(${array('l.truncated')}) t
  left join operations o on o.pep = v.pep and o.operation_id = v.operation_id
where v.kind = 'outcome' and ${IN_PERIOD}
group by 1, 2, 3 order by count desc, 1, 2, 3`,
    [OPERATIONS],
  ),
}

export const access = [
  days,
  connections,
  accesses,
  denials,
  refusals,
  toolCalls,
  masked,
  outcomes,
  unknown,
  truncated,
]
