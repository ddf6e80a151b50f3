import type { Content, Moment, Operation } from './moment.ts'
import { bytesOf, type Direction, type Leaf, type Step, type WrittenBytes } from './step.ts'

/** Most operations and approvals that are remembered after their end. */
const MAX_REMEMBERED = 10_000

const UNBEGUN = 'how it began is not on record'

type Known = {
  readonly kind: 'open' | 'ended'
  /** Where the next chunk of each body has to begin. */
  readonly expected: Map<Direction, number>
}

/**
 * What each step tells of, and what is missing between steps. Leaves are believed over records, since they are what the
 * log proves; a step that cannot be read still tells what its leaf does.
 */
export function createStepReader(): {
  readonly read: (step: Step) => readonly Moment[]
  /** What never ended. */
  readonly end: () => readonly Moment[]
} {
  const operations = new Map<string, Known>()
  const demanded = new Map<string, number>()
  let newest = { at_ms: 0, index: 0 }

  return {
    read(step) {
      const { leaf, index, unreadable } = step
      newest = { at_ms: Math.max(newest.at_ms, leaf.time_ms), index }
      const moments = tell(step)
      if (!unreadable) return moments
      const text = `step ${index} cannot be read (${unreadable.code}): ${unreadable.message}`
      return [...moments, { kind: 'gap', text, ...at(step) }]
    },
    end: () =>
      [...operations].flatMap(([operation_id, { kind }]) =>
        kind === 'ended'
          ? []
          : [gap({ ...newest, operation_id }, 'the record ends before this operation does')],
      ),
  }

  function tell(step: Step): readonly Moment[] {
    switch (step.leaf.kind) {
      case 'intent':
      case 'decision':
        return decided(step)
      case 'chunk':
        return chunk(step)
      case 'outcome':
        return outcome(step)
      case 'approval':
        return approval(step)
      default:
        return [{ kind: 'noted', text: noted(step.leaf), ...at(step) }]
    }
  }

  function decided(step: Step): readonly Moment[] {
    const { leaf, record } = step
    const { exchange } = record ?? {}
    const asked_ms = record?.request?.context?.time_ms ?? leaf.time_ms
    const id = leaf.operation_id ?? `step ${step.index}`
    const forwards = leaf.kind === 'intent'
    const operation = operationOf(step, id)
    const where = { ...at(step), operation_id: id }
    remember(id, forwards ? 'open' : 'ended')
    const { decision = {} } = leaf
    const messages = new Map(
      record?.decision?.reasons?.map(({ rule, message }) => [rule, message] as const),
    )
    const reaches = forwards || (operation.tool_call && leaf.refused === undefined)
    return [
      {
        ...where,
        kind: 'began',
        at_ms: Math.min(asked_ms, leaf.time_ms),
        operation,
        sent: contentOf(step, exchange?.body),
      },
      {
        ...where,
        kind: 'decided',
        effect: decision.effect ?? 'unknown',
        rules: (decision.rules ?? []).map((rule) => {
          const message = messages.get(rule)
          return message === undefined ? { rule } : { rule, message }
        }),
        obligations: decision.obligations ?? [],
        masked: leaf.masked ?? [],
        observed: leaf.observed ?? [],
        ...defined({
          decision_id: decision.id,
          revision: decision.revision,
          approval_id: decision.approval_id,
          refused: leaf.refused,
          forwarded: reaches ? forwardedOf(step) : undefined,
        }),
      },
    ]
  }

  function chunk(step: Step): readonly Moment[] {
    const { leaf, record } = step
    const id = leaf.operation_id ?? `step ${step.index}`
    const where = { ...at(step), operation_id: id }
    const direction = leaf.direction ?? 'received'
    const offset = leaf.offset ?? 0
    const missing = operations.has(id) ? [] : [gap(where, UNBEGUN)]
    const { expected } = operations.get(id) ?? remember(id, 'open')
    const due = expected.get(direction) ?? 0
    if (offset > due)
      missing.push(gap(where, `${offset - due} bytes of what was ${direction} are not on record`))
    if (offset < due)
      missing.push(gap(where, `${due - offset} bytes of what was ${direction} are there twice`))
    expected.set(direction, offset + (leaf.bytes ?? 0))
    if (!record?.body) return missing
    const bytes = bytesOf(record.body)
    return [...missing, ...pieces(bytes, record.pieces ?? [], where, direction)]
  }

  function outcome(step: Step): readonly Moment[] {
    const { leaf, record } = step
    const id = leaf.operation_id ?? `step ${step.index}`
    const where = { ...at(step), operation_id: id }
    const early = operations.has(id) ? [] : [gap(where, UNBEGUN)]
    remember(id, 'ended')
    const { status, bytes_in, bytes_out, masked = [], observed = [], truncated = [] } = leaf
    return [
      ...early,
      {
        ...where,
        kind: 'outcome',
        result: leaf.result ?? 'unknown',
        headers: record?.headers ?? [],
        masked,
        observed,
        truncated,
        ...defined({ status, bytes_in, bytes_out, reason: record?.reason }),
      },
      ...(leaf.result === 'unknown'
        ? [gap(where, 'the enforcement point stopped before the end: how it ended is not known')]
        : []),
    ]
  }

  function approval(step: Step): readonly Moment[] {
    const { leaf, record } = step
    const approval_id = leaf.approval_id ?? ''
    if (leaf.event === 'demanded') bounded(demanded, approval_id, leaf.time_ms)
    const since = demanded.get(approval_id)
    return [
      {
        ...at(step),
        kind: 'approval',
        approval_id,
        event: leaf.event ?? 'unknown',
        approvers: leaf.approvers ?? [],
        ...defined({
          by: leaf.by,
          approve: leaf.approve,
          count: leaf.count,
          waited_ms:
            since === undefined || leaf.event === 'demanded' ? undefined : leaf.time_ms - since,
          covers: record?.action === undefined ? undefined : JSON.stringify(record.action),
        }),
      },
    ]
  }

  function remember(id: string, kind: Known['kind']): Known {
    const known: Known = { kind, expected: operations.get(id)?.expected ?? new Map() }
    operations.delete(id)
    operations.set(id, known)
    if (operations.size > MAX_REMEMBERED) {
      for (const [old, { kind }] of operations) {
        if (kind === 'open') continue
        operations.delete(old)
        break
      }
    }
    return known
  }
}

function bounded<V>(map: Map<string, V>, key: string, value: V): void {
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest)
}

type Where = Pick<Moment, 'at_ms' | 'index' | 'operation_id'>

const at = ({ leaf, index }: Step): Where => ({
  at_ms: leaf.time_ms,
  index,
  ...defined({ operation_id: leaf.operation_id }),
})

const gap = (where: Where, text: string): Moment => ({ ...where, kind: 'gap', text })

function operationOf({ leaf, record }: Step, id: string): Operation {
  const { request, exchange } = record ?? {}
  const { type = leaf.resource_type ?? '', id: resource = '' } = request?.resource ?? {}
  const action = leaf.action ?? 'unknown'
  return {
    id,
    connection: leaf.connection ?? 'unknown',
    action,
    resource: `${type} ${resource}`.trim(),
    tool_call: leaf.kind === 'decision' && leaf.parent_id !== undefined,
    headers: exchange?.headers ?? [],
    ...defined({
      parent_id: leaf.parent_id,
      session_id: leaf.session_id,
      session_label: request?.context?.session?.label,
      subject: leaf.subject,
      method: exchange?.method,
      target: exchange?.target,
      body_bytes: exchange?.body_bytes,
    }),
  }
}

const contentOf = (step: Step, written: WrittenBytes | undefined): Content =>
  written === undefined ? { absent: absence(step) } : { bytes: bytesOf(written) }

/** What differs from what was sent is kept by itself; where only that was kept, nothing differs. */
function forwardedOf(step: Step): Content {
  const { body, forwarded } = step.record?.exchange ?? {}
  return body !== undefined && forwarded === undefined ? { same: true } : contentOf(step, forwarded)
}

const absence = ({ record, unreadable }: Step): string =>
  unreadable
    ? `cannot be read: ${unreadable.message}`
    : record?.exchange?.body_bytes === 0
      ? 'no body'
      : 'not recorded'

/** A chunk's body as it arrived. Masks change its length, so the last piece takes what is left. */
function pieces(
  bytes: Buffer,
  times: readonly (readonly [at_ms: number, bytes: number])[],
  where: Where,
  direction: Direction,
): readonly Moment[] {
  const known = times.length === 0 ? [[where.at_ms, bytes.length] as const] : times
  let from = 0
  return known.flatMap(([at_ms, length], n) => {
    const end = n === known.length - 1 ? bytes.length : Math.min(from + length, bytes.length)
    const part = bytes.subarray(from, end)
    from = end
    return part.length === 0
      ? []
      : [{ ...where, kind: 'piece' as const, at_ms, direction, bytes: part }]
  })
}

function noted(leaf: Leaf): string {
  switch (leaf.kind) {
    case 'policy':
      return `policy ${leaf.revision ?? ''} became active${(leaf.bundles ?? [])
        .map(({ name, git_revision }) => `, ${name}${git_revision ? ` at ${git_revision}` : ''}`)
        .join('')}`
    case 'key':
      return `signing key ${leaf.event ?? ''}: ${leaf.vkey ?? ''}`
    case 'admin':
      return `${leaf.name ?? ''} by ${leaf.by?.id ?? 'unknown'}${leaf.reason === undefined ? '' : `: ${leaf.reason}`} ${JSON.stringify(leaf.detail ?? {})}`
    default:
      return `${leaf.kind} ${leaf.name ?? ''} ${JSON.stringify(leaf.detail ?? {})}`
  }
}

/** Without members that are `undefined`, as exact optional types want it. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
