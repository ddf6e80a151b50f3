import {
  array,
  IN_PERIOD,
  json,
  limited,
  list,
  members,
  overLeaves,
  type Question,
  whole,
} from './figure.ts'

/** What people decided and did. */

const iso = (time_ms: string): string =>
  `to_char(to_timestamp(${time_ms} / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

const first = (what: string): string => `(array_agg(${what} order by e.idx))[1]`

export const approvals: Question = {
  name: 'approvals',
  title: 'Approvals',
  about:
    'Approvals with any event in the period, as they stood at its end. A vote says what, when, and who as issuer, type and id. Used: the one operation it was for went on.',
  columns: {
    approval: 'text',
    requester: 'text',
    requester_type: 'text',
    issuer: 'text',
    session: 'text',
    connection: 'text',
    action: 'text',
    demanded_ms: 'time',
    outcome: 'text',
    votes: 'list',
    decided_ms: 'time',
    used_ms: 'time',
    approvers: 'list',
    needed: 'number',
    revision: 'text',
    erased_ms: 'time',
  },
  sql: overLeaves(
    `
select e.approval_id as approval, ${first(`e.requester ->> 'id'`)} as requester,
  ${first(`e.requester ->> 'type'`)} as requester_type, ${first(`e.requester ->> 'issuer'`)} as issuer,
  ${first('e.session_id')} as session, ${first('e.connection')} as connection, ${first('e.action')} as action,
  min(e.time_ms) filter (where e.event = 'demanded') as demanded_ms,
  coalesce((array_agg(case e.event when 'consumed' then 'used' else e.event end order by e.idx desc)
    filter (where e.event in ('approved', 'denied', 'expired', 'consumed')))[1], 'waiting') as outcome,
  coalesce(array_agg(concat_ws(' ', case when e.approve = 'true' then 'approved' else 'denied' end, ${iso('e.time_ms')},
    e."by" ->> 'issuer', e."by" ->> 'type', e."by" ->> 'id') order by e.idx) filter (where e.event = 'voted'), '{}') as votes,
  min(e.time_ms) filter (where e.event in ('approved', 'denied')) as decided_ms,
  min(e.time_ms) filter (where e.event = 'consumed') as used_ms,
  ${list(`(array_agg(e.approvers order by e.idx))[1]`)} as approvers, ${whole(first('e.count'))} as needed,
  ${first('e.revision')} as revision, min(e.time_ms) filter (where e.event = 'erased') as erased_ms
from events e
group by e.approval_id order by demanded_ms desc nulls last, e.approval_id`,
    [
      `touched as (
  select distinct l.approval_id as id from countersign.leaves v ${members('approval_id text')}
  where v.kind = 'approval' and ${IN_PERIOD}
)`,
      `events as (
  select v.idx, v.time_ms, l.*
  from countersign.leaves v ${members('approval_id text, event text, requester json, session_id text, connection text, action text, approvers json, count text, revision text, "by" json, approve text')}
  where v.kind = 'approval' and v.time_ms < $2::bigint and l.approval_id in (select id from touched)
)`,
    ],
  ),
}

const BY = `l."by" ->> 'id' as person, l."by" ->> 'type' as person_type, l."by" ->> 'issuer' as issuer`
const person = { person: 'text', person_type: 'text', issuer: 'text' } as const
const ACT = 'name text, "by" json, reason text, decision json, session_id text, detail json'
const ALLOWED = `coalesce(l.decision ->> 'effect' = 'allow', false) as allowed`

const unmaskings: Question = {
  name: 'unmaskings',
  title: 'Unmaskings',
  about:
    'People who asked to see a session as it was, without masks, and whether policy let them. Refused tries are here too.',
  columns: {
    at_ms: 'time',
    ...person,
    allowed: 'boolean',
    session: 'text',
    of_subject: 'text',
    of_issuer: 'text',
    connections: 'list',
    reason: 'text',
    rules: 'list',
    leaf: 'number',
  },
  sql: overLeaves(`
select v.time_ms as at_ms, ${BY}, ${ALLOWED}, l.session_id as session, s.subject ->> 'id' as of_subject,
  s.subject ->> 'issuer' as of_issuer, ${list(`l.detail -> 'connections'`)} as connections, l.reason,
  ${list(`l.decision -> 'rules'`)} as rules, v.idx as leaf
from countersign.leaves v ${members(ACT)}
  left join lateral (
    select ${json('d')} -> 'subject' as subject from countersign.leaves d
    where d.session_id = l.session_id and d.kind in ('intent', 'decision') order by d.idx limit 1) s on true
where v.kind = 'admin' and l.name = 'unmask' and ${IN_PERIOD}
order by v.idx desc`),
}

const acts: Question = {
  name: 'acts',
  title: 'Exports, erasures, holds, retention and other acts',
  about: 'What people did to the evidence, or tried and policy refused. Unmaskings are above.',
  columns: {
    at_ms: 'time',
    act: 'text',
    ...person,
    allowed: 'boolean',
    session: 'text',
    reason: 'text',
    detail: 'text',
    rules: 'list',
    leaf: 'number',
  },
  sql: overLeaves(`
select v.time_ms as at_ms, l.name as act, ${BY}, ${ALLOWED}, l.session_id as session, l.reason,
  left(l.detail::text, 2000) as detail, ${list(`l.decision -> 'rules'`)} as rules, v.idx as leaf
from countersign.leaves v ${members(ACT)}
where v.kind = 'admin' and l.name <> 'unmask' and ${IN_PERIOD}
order by v.idx desc`),
}

const erased: Question = {
  name: 'erased',
  title: 'Content erased',
  about:
    'Erasures that happened: by request of one session, or by rules of retention. Keys: of recorded content that nobody can read any more; the leaves stay. Held: a legal hold prevented it.',
  columns: {
    at_ms: 'time',
    act: 'text',
    ...person,
    session: 'text',
    keys: 'number',
    approvals: 'number',
    held: 'boolean',
    reason: 'text',
    leaf: 'number',
  },
  sql: overLeaves(`
select v.time_ms as at_ms, l.name as act, ${BY}, l.session_id as session, ${whole(`l.detail ->> 'keys'`)} as keys,
  ${whole(`l.detail ->> 'approvals'`)} as approvals, coalesce(l.detail ->> 'held' = 'true', false) as held, l.reason,
  v.idx as leaf
from countersign.leaves v ${members(ACT)}
where v.kind = 'admin' and l.name in ('erase', 'retain') and l.decision ->> 'effect' = 'allow' and ${IN_PERIOD}
order by v.idx desc`),
}

export const administration = [unmaskings, acts, erased]

export const policyChanges: Question = {
  name: 'policy_changes',
  title: 'Policy revisions',
  about:
    'Policies that became active in the period, the one that was active when it began, and any other that decided. Decisions: how many in the period it made, in all of its times.',
  columns: {
    active_ms: 'time',
    until_ms: 'time',
    revision: 'text',
    before: 'text',
    git_revisions: 'list',
    bundles: 'list',
    config_digest: 'text',
    decisions: 'number',
    denied: 'number',
  },
  sql: overLeaves(
    `
select c.active_ms, c.until_ms, coalesce(c.revision, d.revision) as revision, c.before,
  array(select distinct b ->> 'git_revision' from json_array_elements(${array('c.bundles')}) b
    where b ->> 'git_revision' is not null order by 1) as git_revisions,
  array(select concat_ws(' ', b ->> 'name', b ->> 'revision', b ->> 'digest') from json_array_elements(${array('c.bundles')}) b) as bundles,
  c.config_digest, coalesce(d.decisions, 0) as decisions, coalesce(d.denied, 0) as denied
from (select * from changes where until_ms is null or until_ms >= $1::bigint) c
  full join decided d on d.revision = c.revision
order by c.idx desc nulls first, 3`,
    [
      `changes as (
  select v.idx, v.time_ms as active_ms, lead(v.time_ms) over (order by v.idx) as until_ms, l.revision,
    lag(l.revision) over (order by v.idx) as before, l.bundles, l.config_digest
  from countersign.leaves v ${members('revision text, config_digest text, bundles json')}
  where v.kind = 'policy' and v.time_ms < $2::bigint
)`,
      `decided as (
  select l.decision ->> 'revision' as revision, count(*) as decisions,
    count(*) filter (where l.decision ->> 'effect' = 'deny') as denied
  from countersign.leaves v ${members('decision json')}
  where v.kind in ('intent', 'decision') and ${IN_PERIOD}
  group by 1
)`,
    ],
  ),
}

export const keys: Question = {
  name: 'keys',
  title: 'Keys of the log',
  about: 'Keys that sign checkpoints from then on; all of them, also from before the period.',
  columns: {
    at_ms: 'time',
    event: 'text',
    verifier_key: 'text',
    also: 'list',
    before: 'text',
    leaf: 'number',
  },
  sql: limited(`
select v.time_ms as at_ms, l.event, l.vkey as verifier_key,
  ${list('l.also')} as also, l.before, v.idx as leaf
from countersign.leaves v ${members('event text, vkey text, also json, before text')}
where v.kind = 'key' and $1::bigint <= $2::bigint and v.time_ms < $2::bigint
order by v.idx desc`),
}
