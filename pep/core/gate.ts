import { setTimeout as sleep } from 'node:timers/promises'
import { actionDigest, type CanonicalAction } from '../../pdp/contract/action.ts'
import type { ApprovalId, Revision } from '../../pdp/contract/brand.ts'
import type { Call, PdpClient, PdpError } from '../../pdp/contract/client.ts'
import { STALE_FACTS_RULE } from '../../pdp/contract/client.ts'
import type { Decision } from '../../pdp/contract/decision.ts'
import type { ApproveObligation } from '../../pdp/contract/obligation.ts'
import type { ActiveProfile, ExtractionProfile } from '../../pdp/contract/profile.ts'
import type { DecisionRequest } from '../../pdp/contract/request.ts'
import { assertNever, err, ok, type Result } from '../../pdp/contract/result.ts'
import { type RecordedBodies, recordedBodies } from './request-bodies.ts'
import { PepError } from './errors.ts'
import { enforce, type Enforcement } from './enforce.ts'
import type { Operation } from './operation.ts'
import { issuePermit, type Permit } from './permit.ts'
import type { Refusal } from './refusal.ts'
import type { Journal, Log } from './services.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

export type GateParts = {
  readonly pdp: PdpClient
  readonly journal: Journal
  readonly log: Log
  readonly now: () => number
  /** Longest wait for one answer of the PDP, milliseconds. */
  readonly deadline_ms: number
  /** Is told of every operation; nothing depends on it. */
  readonly telemetry?: Telemetry | undefined
}

export type Gate = {
  /** The whole flow for one operation: describe, decide, hold for approval, enforce, record. Never throws. */
  readonly admit: (operation: Operation) => Promise<Result<Permit, Refusal>>
  /** The extraction profile facts are made for at this moment; fetched when there is none. */
  readonly profile: (signal: AbortSignal) => Promise<Result<ActiveProfile, Refusal>>
}

type Decided = {
  readonly request: DecisionRequest
  readonly decision: Decision
  readonly action: CanonicalAction | undefined
}

export function createGate(parts: GateParts): Gate {
  const { pdp, journal, log, now, telemetry } = parts
  let active: ActiveProfile | undefined

  const call = (signal: AbortSignal, more_ms = 0): Call => ({
    signal,
    deadline_ms: parts.deadline_ms + more_ms,
  })

  async function profile(signal: AbortSignal): Promise<Result<ActiveProfile, Refusal>> {
    if (active) return ok(active)
    const answer = await pdp.profile(call(signal))
    if (!answer.ok) return err(unavailable(answer.error)) // fail closed: no profile, no facts, no request
    active = answer.value
    return ok(active)
  }

  /** Describes and asks; once more when policy was replaced between the two. */
  async function decide(operation: Operation): Promise<Result<Decided, Refusal>> {
    const action = operation.canonical()
    const digest = action && actionDigest(action)
    for (let attempt = 0; ; attempt += 1) {
      const current = await profile(operation.signal)
      if (!current.ok) return current
      const request = describe(
        operation,
        current.value.profile,
        current.value.revision,
        digest,
        now(),
      )
      const answer = await pdp.decide([request], call(operation.signal))
      if (!answer.ok) return err(unavailable(answer.error))
      const decision = answer.value[0]
      if (!decision) return err(unavailable({ code: 'PDP_BAD_ANSWER', message: 'no decision' }))
      const stale = decision.effect === 'deny' && decision.reasons[0]?.rule === STALE_FACTS_RULE
      if (!stale || attempt > 0) {
        telemetry?.decided(operation.id, decision, request.context.facts)
        return ok({ request, decision, action })
      }
      active = undefined
    }
  }

  /** Holds the operation until its approval is decided or the wait is over. */
  async function hold(operation: Operation, held: Decided): Promise<Result<Decided, Refusal>> {
    const duty = held.decision.obligations.find((o): o is ApproveObligation => o.kind === 'approve')
    const about = { decision_id: held.decision.id }
    if (!duty)
      return err({ code: 'denied', message: 'policy asks for approval but not by whom', ...about })
    if (!held.action) {
      return err({
        code: 'denied',
        message: 'it needs approval, but cannot be shown whole to an approver',
        ...about,
      })
    }
    const demanded = await pdp.demandApproval(
      { request: held.request, action: held.action, operation_id: operation.id },
      call(operation.signal),
    )
    if (!demanded.ok) return err({ ...unavailable(demanded.error), ...about })
    let status = demanded.value
    telemetry?.held(operation.id, status)
    const refuse = (code: Refusal['code'], message: string): Result<never, Refusal> =>
      err({ code, message, ...about, approval_id: status.id })

    const wait_s = Math.min(duty.wait_s, operation.max_wait_s ?? duty.wait_s)
    const until = performance.now() + wait_s * 1000
    const beat = operation.heartbeat && setInterval(operation.heartbeat, 1000)
    try {
      while (status.state === 'pending') {
        const left = until - performance.now()
        if (left <= 0)
          return refuse(
            'approval_pending',
            `waiting for approval ${status.id}; send the same request again`,
          )
        const step = Math.min(left, 10_000)
        const asked = performance.now()
        const answer = await pdp.awaitApproval(status.id, step, call(operation.signal, step))
        if (operation.signal.aborted) return refuse('client_gone', 'the client went away')
        if (!answer.ok)
          return err({ ...unavailable(answer.error), ...about, approval_id: status.id })
        status = answer.value
        // A decision service that does not wait must not be asked without a pause.
        if (status.state === 'pending') await pause(asked + MIN_STEP_MS, operation.signal)
      }
    } finally {
      clearInterval(beat)
    }

    if (status !== demanded.value) telemetry?.held(operation.id, status)
    switch (status.state) {
      case 'approved':
        return decide(operation) // the same request again: only the PDP can turn it into an allow
      case 'denied':
        return refuse('approval_denied', `approval ${status.id} was denied`)
      case 'expired':
        return refuse('approval_expired', `approval ${status.id} has expired`)
      case 'consumed':
        return refuse('approval_expired', `approval ${status.id} is already used`)
      default:
        return assertNever(status.state)
    }
  }

  async function admit(operation: Operation): Promise<Result<Permit, Refusal>> {
    telemetry?.begin(operation)
    const admitted = await admitSafely(operation)
    if (!admitted.ok) telemetry?.refused(operation.id, admitted.error)
    else if (!operation.forwards) telemetry?.ended(operation.id)
    return admitted
  }

  async function admitSafely(operation: Operation): Promise<Result<Permit, Refusal>> {
    try {
      return await admitOrThrow(operation)
    } catch (error) {
      // A defect here or in an adapter refuses; it never lets an operation through.
      log('error', 'gate.admit', { operation: operation.id, error: String(error) })
      return err({
        code: 'internal',
        message: 'the enforcement point failed; nothing was forwarded',
      })
    }
  }

  async function admitOrThrow(operation: Operation): Promise<Result<Permit, Refusal>> {
    if (!journal.accepting) {
      return err({
        code: 'record_unavailable',
        message: 'the record is behind its bound; try again later',
      })
    }
    let decided = await decide(operation)
    if (decided.ok && decided.value.decision.effect === 'approve') {
      const before = decided.value
      decided = await hold(operation, before)
      if (!decided.ok) return refused(operation, before, decided.error)
    }
    if (!decided.ok) return decided
    return permit(operation, decided.value)
  }

  /** From a final decision to a permit: deny, obligations, approval, record, in this order. */
  async function permit(operation: Operation, decided: Decided): Promise<Result<Permit, Refusal>> {
    const { decision } = decided
    if (decision.effect !== 'allow') {
      const message =
        decision.reasons.map((reason) => reason.message).join('; ') || 'denied by policy'
      return refused(operation, decided, { code: 'denied', message, decision_id: decision.id })
    }
    const enforcement = enforce(decision, operation.keeps)
    if (!enforcement.ok) return refused(operation, decided, enforcement.error)
    const body = operation.prepare
      ? operation.prepare(enforcement.value)
      : ok(operation.exchange.body)
    if (!body.ok) return refused(operation, decided, { ...body.error, decision_id: decision.id })
    if (decision.approval) {
      const { action_digest } = decided.request.context
      if (!action_digest) throw new PepError('PEP_INVARIANT', 'approved without an action')
      const used = await pdp.useApproval(
        {
          id: decision.approval.id as ApprovalId,
          action_digest,
          decision_id: decision.id,
          revision: decision.revision,
          operation_id: operation.id,
        },
        call(operation.signal),
      )
      if (!used.ok) {
        const message = `approval ${decision.approval.id} cannot be used: ${used.error.message}`
        // Without an answer it may be used up or not; the same request then finds out, and is asked about again.
        const code = used.error.code === 'PDP_REFUSED' ? 'approval_expired' : 'pdp_unavailable'
        return refused(operation, decided, { code, message, decision_id: decision.id })
      }
    }
    return record(operation, decided, enforcement.value, body.value)
  }

  async function record(
    operation: Operation,
    decided: Decided,
    enforcement: Enforcement,
    body: Uint8Array | undefined,
  ): Promise<Result<Permit, Refusal>> {
    const kind = operation.forwards ? 'intent' : 'decision'
    try {
      const bodies = recordedBodies(operation, enforcement.record_body, body)
      await journal.append({ kind, ...described(operation, decided, bodies) })
    } catch (error) {
      // Fail closed: what is not on disk is not forwarded.
      log('error', 'journal.append', { operation: operation.id, error: String(error) })
      return err({
        code: 'record_unavailable',
        message: 'the record cannot be written',
        decision_id: decided.decision.id,
      })
    }
    const owner = {
      operation_id: operation.id,
      session_id: operation.caller.session.id,
      connection: operation.connection,
    }
    let closed: Promise<void> | undefined
    return ok(
      issuePermit({
        operation,
        decision: decided.decision,
        enforcement,
        ...(body && { body }),
        accepting: () => journal.accepting,
        chunk({ body: bytes, ...about }) {
          const kept = bytes && enforcement.record_body !== 'metadata' ? { body: bytes } : {}
          return journal.append({ kind: 'chunk', ...owner, time_ms: now(), ...about, ...kept })
        },
        close: ({ rest, ...outcome }) => {
          telemetry?.ended(owner.operation_id, outcome)
          return (closed ??= journal.append({
            kind: 'outcome',
            ...owner,
            time_ms: now(),
            ...outcome,
            ...(rest && enforcement.record_body !== 'metadata' && { rest }),
          }))
        },
      }),
    )
  }

  /** Puts a refusal on record. It stays a refusal when the record fails. */
  async function refused(
    operation: Operation,
    decided: Decided,
    refusal: Refusal,
  ): Promise<Result<never, Refusal>> {
    try {
      await journal.append({
        kind: 'decision',
        ...described(operation, decided, {}),
        refused: refusal.code,
      })
    } catch (error) {
      log('error', 'journal.append', { operation: operation.id, error: String(error) })
    }
    return err(refusal)
  }

  function described(operation: Operation, { request, decision }: Decided, bodies: RecordedBodies) {
    const { body: _, ...exchange } = operation.exchange
    const { masked, observed } = operation.findings ?? {}
    return {
      operation_id: operation.id,
      ...(operation.parent_id !== undefined && { parent_id: operation.parent_id }),
      time_ms: now(),
      connection: operation.connection,
      request,
      decision,
      exchange: { ...exchange, ...bodies },
      masked: { ...masked },
      observed: { ...observed },
    }
  }

  return { admit, profile }
}

/** Least time between two questions about one approval. */
const MIN_STEP_MS = 100

/** Waits until a time of `performance.now`, or until the signal; not at all when it is past. */
async function pause(until_ms: number, signal: AbortSignal): Promise<void> {
  const left_ms = until_ms - performance.now()
  if (left_ms > 0) await sleep(left_ms, undefined, { signal }).catch(() => undefined)
}

function describe(
  operation: Operation,
  profile: ExtractionProfile,
  facts_revision: Revision,
  digest: DecisionRequest['context']['action_digest'],
  time_ms: number,
): DecisionRequest {
  const { caller } = operation
  return {
    subject: caller.subject,
    action: operation.action,
    resource: operation.resource,
    context: {
      time_ms,
      session: caller.session,
      source: caller.source,
      facts: operation.extract(profile),
      facts_revision,
      ...(digest && { action_digest: digest }),
    },
  }
}

function unavailable(error: PdpError): Refusal {
  return { code: 'pdp_unavailable', message: `no decision: ${error.message}` }
}
