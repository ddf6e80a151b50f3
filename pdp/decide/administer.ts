import { randomUUIDv7 } from 'node:crypto'
import type { Identity } from '../../identity/claims.ts'
import {
  ADMINISTRATION,
  type AdministeredResource,
  type AdministrativeAction,
} from '../contract/administration.ts'
import type { DecisionId } from '../contract/brand.ts'
import type { Decision, Verdict } from '../contract/decision.ts'
import type { AdminFacts } from '../contract/facts.ts'
import { type DecisionRequest, decisionRequest } from '../contract/request.ts'
import type { ActivePolicy, CurrentPolicy } from '../policy/policy.ts'
import { ask, deny, shownTo } from './ask.ts'

export type AdministerParts = {
  readonly policy: CurrentPolicy
  readonly now: () => number
}

/** What a verified person wants to do to the evidence, and why. */
export type AdministerAsked = {
  readonly person: Identity
  readonly action: AdministrativeAction
  readonly resource: AdministeredResource
  /** Of a session: whose it is and which connections it reached, as the service knows them, never as the person says. */
  readonly admin: AdminFacts
}

/**
 * Asks the active policy whether a person may do something to the evidence. Never throws; whatever is not a plain allow
 * is a deny whose reasons say why. Nothing is put on record here: that is for whoever acts on it, before they act.
 */
export type Administer = (asked: AdministerAsked) => Decision

export function createAdminister({ policy: current, now }: AdministerParts): Administer {
  return (asked) => {
    const policy = current()
    const { effect, reasons, obligations } = plain(judge(requestOf(asked, policy, now()), policy))
    const id = randomUUIDv7() as string as DecisionId
    return { id, effect, reasons, obligations, revision: policy.revision }
  }
}

function requestOf(
  { person, action, resource, admin }: AdministerAsked,
  { revision }: ActivePolicy,
  time_ms: number,
): DecisionRequest {
  return {
    subject: person.subject,
    action: { name: action },
    resource: { ...resource, properties: { connection: ADMINISTRATION, kind: ADMINISTRATION } },
    context: {
      time_ms,
      session: { id: person.session_id },
      source: {},
      facts: { detectors: {}, phrases: [], paths: {}, incomplete: [], admin },
      facts_revision: revision,
    },
  }
}

function judge(request: DecisionRequest, policy: ActivePolicy): Verdict {
  // Fail closed: a reason of 501 characters, say, which policy would take.
  const shaped = decisionRequest.safeParse(request)
  if (shaped.success) return ask(policy, shownTo(policy, shaped.data))
  const [issue] = shaped.error.issues
  return refused(`${issue?.path.join('.') ?? 'the request'}: ${issue?.message ?? 'is malformed'}`)
}

/** An allow that stands by itself; what would need a person, a session or a body to hang on is a deny. */
function plain(verdict: Verdict): Verdict {
  const { effect, reasons, obligations, flow } = verdict
  if (effect === 'deny') return { effect, reasons, obligations: [] }
  if (effect === 'approve')
    return refused('policy asks for an approval, and nobody can approve this', reasons)
  if (flow) return refused('policy asks what the session has seen, and there is none', reasons)
  const [duty] = obligations
  if (duty) return refused(`policy adds a duty (${duty.kind}) that cannot be kept here`, reasons)
  return verdict
}

const refused = (message: string, reasons: Verdict['reasons'] = []): Verdict => ({
  effect: 'deny',
  reasons: [...deny('pdp.administration', message).reasons, ...reasons],
  obligations: [],
})
