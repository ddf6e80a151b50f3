import { CommandError } from '../commands/output.ts'
import { bytesOf, type Direction, type Step } from './step.ts'

/** What is looked for: a step by its leaf, or all of an operation. */
export type Chosen = { readonly index: number } | { readonly operation_id: string }

/** Steps of the operation that is looked for, or that the step belongs to. */
export type Excerpt = {
  readonly steps: readonly Step[]
  /** Where a step was asked for. */
  readonly step?: Step
}

/** @throws {CommandError} when the session has none. */
export async function choose(steps: AsyncIterable<Step>, chosen: Chosen): Promise<Excerpt> {
  // By operation: which one a step belongs to is known once it is there, and its body may have come before it.
  const operations = new Map<string, Step[]>()
  let step: Step | undefined
  for await (const one of steps) {
    const { operation_id } = one.leaf
    if ('index' in chosen && one.index === chosen.index) {
      step = one
      for (const id of operations.keys()) if (id !== operation_id) operations.delete(id)
    }
    if (operation_id === undefined) continue
    const wanted = 'operation_id' in chosen ? chosen.operation_id : step?.leaf.operation_id
    if ((step || 'operation_id' in chosen) && operation_id !== wanted) continue
    const known = operations.get(operation_id)
    if (known) known.push(one)
    else operations.set(operation_id, [one])
  }
  if ('operation_id' in chosen) {
    const found = operations.get(chosen.operation_id)
    if (found) return { steps: found }
    throw new CommandError('failed', 'the session has no such operation')
  }
  if (!step) throw new CommandError('failed', `the session has no step ${chosen.index}`)
  const { operation_id } = step.leaf
  return { steps: (operation_id && operations.get(operation_id)) || [step], step }
}

/** The request of an operation as it can be sent again. */
export type RecordedRequest = {
  readonly connection: string
  readonly method: string
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** What this is not, for the person who sends it. */
  readonly remarks: readonly string[]
}

/** @throws {CommandError} when too little is on record to send it. */
export function requestOf({ steps }: Excerpt): RecordedRequest {
  const asked = steps.find(({ leaf }) => leaf.kind === 'intent' || leaf.kind === 'decision')
  const exchange = asked?.record?.exchange
  if (!asked || !exchange) {
    const why = asked?.unreadable?.message ?? 'its request is not on record'
    throw new CommandError('failed', `there is nothing to send: ${why}`)
  }
  const { method, target } = exchange
  if (method === undefined || target === undefined) {
    const parent = asked.leaf.parent_id
    const hint = parent === undefined ? '' : `: it is a tool call in the reply to ${parent}`
    throw new CommandError('failed', `this operation is no request of its own${hint}`)
  }
  const base = {
    connection: asked.leaf.connection ?? '',
    method,
    target,
    headers: exchange.headers ?? [],
  }
  if (exchange.body) return { ...base, body: bytesOf(exchange.body), remarks: [] }
  for (const direction of ['sent', 'forwarded'] as const) {
    const whole = streamed(steps, direction)
    if (whole) return { ...base, body: whole, remarks: direction === 'sent' ? [] : [FORWARDED] }
  }
  if (exchange.forwarded)
    return { ...base, body: bytesOf(exchange.forwarded), remarks: [FORWARDED] }
  const remarks = exchange.body_bytes === 0 ? [] : ['the body is not on record and is left out']
  return { ...base, body: Buffer.alloc(0), remarks }
}

const FORWARDED = 'the body is what went upstream; what the agent sent is not on record'

function streamed(steps: readonly Step[], direction: Direction): Buffer | undefined {
  const chunks = steps.filter(({ leaf }) => leaf.kind === 'chunk' && leaf.direction === direction)
  if (chunks.length === 0) return undefined
  const parts = chunks.map(({ record }) => record?.body && bytesOf(record.body))
  if (parts.includes(undefined))
    throw new CommandError('failed', 'a part of the body cannot be read')
  return Buffer.concat(parts.filter((one) => one !== undefined))
}
