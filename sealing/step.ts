import type { JournalRecord } from '../pdp/contract/record.ts'
import { assertNever } from '../pdp/contract/result.ts'
import type { Step } from '../pdp/contract/step.ts'

type Described = Extract<JournalRecord, { kind: 'intent' | 'decision' }>

/** What a record says in the open. Named one by one: whatever is added to a record is sealed until it is named here. */
export function stepOf(record: JournalRecord): Step {
  switch (record.kind) {
    case 'intent':
      return { kind: 'intent', ...described(record) }
    case 'decision': {
      const { refused } = record
      return { kind: 'decision', ...described(record), ...(refused !== undefined && { refused }) }
    }
    case 'chunk': {
      const { kind, time_ms, operation_id, session_id, direction, offset } = record
      const bytes = record.pieces.reduce((sum, [, length]) => sum + length, 0)
      return { kind, time_ms, operation_id, session_id, direction, offset, bytes }
    }
    case 'outcome': {
      const { kind, time_ms, operation_id, session_id, result, status, truncated } = record
      const { bytes_in, bytes_out, masked, observed } = record
      return {
        kind,
        time_ms,
        operation_id,
        session_id,
        result,
        ...(status !== undefined && { status }),
        bytes_in,
        bytes_out,
        masked,
        observed,
        ...(truncated && { truncated }),
      }
    }
    case 'event': {
      const { kind, time_ms, name, detail } = record
      // A leaf is JSON; what has no JSON is not carried along.
      return { kind, time_ms, name, detail: JSON.parse(JSON.stringify(detail)) as typeof detail }
    }
    default:
      return assertNever(record)
  }
}

function described({
  time_ms,
  operation_id,
  parent_id,
  connection,
  request: { subject, action, resource, context },
  decision,
  masked,
  observed,
}: Described) {
  const { type, id, properties } = subject
  return {
    time_ms,
    operation_id,
    ...(parent_id !== undefined && { parent_id }),
    session_id: context.session.id,
    subject: { issuer: properties.issuer, type, id },
    connection,
    action: action.name,
    resource_type: resource.type,
    decision: {
      id: decision.id,
      effect: decision.effect,
      rules: decision.reasons.map((reason) => reason.rule),
      revision: decision.revision,
      obligations: decision.obligations.map((obligation) => obligation.kind),
      ...(decision.approval && { approval_id: decision.approval.id }),
    },
    masked,
    observed,
  }
}
