import type { JournalRecord } from '../contract/record.ts'
import type { DecisionId, Revision } from '../contract/brand.ts'
import type { Reason } from '../contract/decision.ts'
import type { Difference, SessionSummary } from '../store/store.ts'
import type { Steps } from './steps.ts'

/** What stands in the store beside the record, and people see in lists: masked as the record is. */

type Masking = Pick<Steps, 'masked'>

const HIDDEN = '[NOT SHOWN]'

/** Most clients make one up; some of them hold digits that a detector takes for a number of somebody's. */
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Texts that are seen by themselves. One that cannot be masked is hidden. */
async function shownTexts(
  { masked }: Masking,
  texts: readonly string[],
): Promise<readonly string[]> {
  if (texts.length === 0) return []
  const made = await masked({ kind: 'event', time_ms: 0, name: '', detail: { texts } })
  const detail = made.ok && made.value.kind === 'event' ? made.value.detail['texts'] : undefined
  const shown: readonly unknown[] = Array.isArray(detail) ? detail : []
  return texts.map((_, at) => {
    const text = shown[at]
    return typeof text === 'string' ? text : HIDDEN
  })
}

/** Reasons with their messages masked: policy may put into them what it was asked. */
export async function shownReasons(
  masking: Masking,
  reasons: readonly Reason[],
): Promise<readonly Reason[]> {
  const messages = await shownTexts(
    masking,
    reasons.map(({ message }) => message),
  )
  return reasons.map(({ rule }, at) => ({ rule, message: messages[at] ?? HIDDEN }))
}

/** Sessions with what clients call them masked. A label is found by what it is, not by what is shown of it. */
export async function shownSessions(
  masking: Masking,
  sessions: readonly SessionSummary[],
): Promise<readonly SessionSummary[]> {
  const shown = await shownTexts(
    masking,
    sessions.flatMap(({ labels }) => labels),
  )
  let at = 0
  return sessions.map((session) => ({
    ...session,
    labels: session.labels.map((given) => {
      const label = shown[at++] ?? HIDDEN
      return uuid.test(given) ? given : label
    }),
  }))
}

/** Differences with what they say of a request masked: which resource, and messages, into which policy may put what it was asked. */
export async function shownDifferences(
  { masked }: Masking,
  differences: readonly Difference[],
): Promise<readonly Difference[]> {
  const shown: Difference[] = []
  for (const one of differences) {
    const made = await masked(asDecision(one))
    const { from, to } = one
    const reasons = made.ok && made.value.kind === 'decision' ? made.value.decision.reasons : []
    const told = [...from.reasons, ...to.reasons].map(({ rule }, at) => ({
      rule,
      message: reasons[at]?.message ?? HIDDEN,
    }))
    shown.push({
      ...one,
      resource: made.ok && made.value.kind === 'decision' ? made.value.request.resource.id : HIDDEN,
      from: { ...from, reasons: told.slice(0, from.reasons.length) },
      to: { ...to, reasons: told.slice(from.reasons.length) },
    })
  }
  return shown
}

/** The decision that it tells of, as far as it is known: so that each part is masked as what it is. */
function asDecision({
  decision_id,
  at_ms,
  live_revision,
  subject,
  action,
  resource,
  connection,
  from,
  to,
}: Difference): JournalRecord {
  const revision = live_revision as Revision
  return {
    kind: 'decision',
    operation_id: decision_id,
    time_ms: at_ms,
    connection,
    request: {
      subject: {
        type: 'unknown',
        id: subject,
        properties: { issuer: 'unknown', groups: [], scopes: [], claims: {} },
      },
      action: { name: action },
      resource: { type: 'unknown', id: resource, properties: { connection, kind: 'unknown' } },
      context: {
        time_ms: at_ms,
        session: { id: 'unknown' },
        source: {},
        facts: { detectors: {}, phrases: [], paths: {}, incomplete: [] },
        facts_revision: revision,
      },
    },
    decision: {
      id: decision_id as DecisionId,
      effect: from.effect,
      reasons: [...from.reasons, ...to.reasons],
      obligations: [],
      revision,
    },
    exchange: { body_bytes: 0 },
    masked: {},
    observed: {},
  }
}
