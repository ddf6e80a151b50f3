import { readFile } from 'node:fs/promises'
import { Registry } from 'prom-client'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { approveObligation, createDecider, type DecisionMade } from '../../pdp/decide/decide.ts'
import { createPdpMetrics } from '../../pdp/metrics.ts'
import { activatePolicy } from '../../pdp/policy/activate.ts'
import { openBundle } from '../../pdp/policy/load.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import type { ApprovalRow } from '../../pdp/store/store.ts'
import { isAdministrative } from '../../pdp/contract/administration.ts'
import { loadCases } from '../policy-data/cases.ts'
import { policyInput } from '../schemas.ts'
import { withoutMore } from './evaluate.ts'
import { FORMAT, type Recorded, type RecordedInput, type RecordedPolicy } from './format.ts'
import type { Source } from './read.ts'

/** Recorded decisions for tests and measurements: those of the decision cases, as the decision service makes them. */
export type Generator = {
  readonly policy: ActivePolicy
  readonly recordedPolicy: RecordedPolicy
  /** A whole record: header, policy, so many decisions, end. The same numbers give the same lines. */
  readonly record: (count: number, options?: RecordOptions) => Source
  /** One decision line after the other, without what stands around them. */
  readonly decisions: (count: number, options?: RecordOptions) => IterableIterator<string>
  /** A decision on a request of your own. */
  readonly decide: (request: RecordedInput) => Promise<Recorded>
}

export type RecordOptions = {
  /** Which cases come when, and who asks. Default 1. */
  readonly seed?: number
  /** Time of the first, milliseconds since the epoch. */
  readonly from_ms?: number
  /** Subjects of which no two agree: then no two decisions are shown alike, and none is known already. */
  readonly strangers?: boolean
}

const FROM_MS = 1_767_225_600_000
const EVERY_MS = 40
/** Other subjects that ask the same. */
const SUBJECTS = 12
const A_SESSION = 40

const CONFIG_DIGEST = 'c'.repeat(64)
// Replaced in each line; nothing else in a case looks like them.
const [ID, TIME, SESSION, STRANGER] = ['@id@', 8_888_888_888_888, '@session@', '@stranger@']

/**
 * @param bundle path of the bundle that decided.
 * @param cases folder of decision cases; those that are no requests, and failures, are left out.
 */
export async function createGenerator(
  bundle = 'bundles/default.tar.gz',
  cases = 'test/decisions',
): Promise<Generator> {
  const archive = await readFile(bundle)
  const policy = activatePolicy([openBundle('default', archive)], {
    config_digest: CONFIG_DIGEST,
    entrypoints: [DECISION_ENTRYPOINT],
    now: () => FROM_MS,
  })
  const recordedPolicy: RecordedPolicy = {
    revision: policy.revision,
    config_digest: CONFIG_DIGEST,
    bundles: [{ name: 'default', archive: archive.toString('base64') }],
  }
  const inputs = (await loadCases(cases)).flatMap(({ input }) => {
    const parsed = policyInput.safeParse(input)
    // What people do to the evidence is decided elsewhere, and is on record as itself.
    if (!parsed.success || isAdministrative(parsed.data)) return []
    return [parsed.data as RecordedInput]
  })
  const templates: (readonly string[])[] = []
  for (const input of inputs)
    for (let n = 0; n < SUBJECTS; n += 1) {
      const id = n === 0 ? input.subject.id : `${input.subject.id}-${n}`
      const recorded = await decided(policy, withIds(input, id))
      templates.push(templateOf(recorded))
    }
  // For every decision another subject, who policy is shown.
  const strange: (readonly string[])[] = []
  for (const input of inputs)
    strange.push(templateOf(await decided(policy, withIds(input, STRANGER))))

  function* decisions(count: number, options: RecordOptions = {}): IterableIterator<string> {
    const { seed = 1, from_ms = FROM_MS, strangers = false } = options
    const random = randomFrom(seed)
    const from = strangers ? strange : templates
    for (let n = 0; n < count; n += 1) {
      const template = from[Math.floor(random() * from.length)] ?? []
      const place: Readonly<Record<string, string>> = {
        [ID]: `0198${seed.toString(16).padStart(4, '0')}-${n.toString(16).padStart(12, '0')}`,
        [TIME]: String(from_ms + n * EVERY_MS),
        [SESSION]: `session-${Math.floor(n / A_SESSION)}`,
        [STRANGER]: `stranger-${n}`,
      }
      yield template.map((part) => place[part] ?? part).join('')
    }
  }

  return {
    policy,
    recordedPolicy,
    decisions,
    record: (count, options) =>
      sourceOf(function* () {
        yield headerLine
        yield JSON.stringify({ policy: recordedPolicy })
        yield* decisions(count, options)
        yield endLine(count)
      }),
    decide: (request) => decided(policy, request),
  }
}

export const headerLine = JSON.stringify({ format: FORMAT, version: 1, bodies: false })
export const endLine = (decisions: number): string => JSON.stringify({ end: { decisions } })

/** A record of these lines, some at a time. */
export const sourceOf = (lines: () => Iterable<string>): Source => ({
  async *open() {
    let some: string[] = []
    for (const line of lines()) {
      some.push(line)
      if (some.length < 64) continue
      yield some
      some = []
    }
    yield some
    await Promise.resolve()
  },
})

/** The same with other lines around it. */
export const lineOf = (recorded: Recorded): string => {
  const { subject, context, resource, action } = recorded.input
  return JSON.stringify({
    ...recorded,
    session_id: context.session.id,
    subject: { issuer: subject.properties.issuer, type: subject.type, id: subject.id },
    connection: resource.properties.connection,
    action: action.name,
    resource: resource.id,
  })
}

function withIds(input: RecordedInput, subject: string): RecordedInput {
  const session = { ...input.context.session, id: SESSION }
  return {
    ...input,
    subject: { ...input.subject, id: subject },
    context: { ...input.context, time_ms: TIME, session },
  }
}

/** As the decision service decides it, when its store knows the taints and the approval that the input has. */
async function decided(policy: ActivePolicy, input: RecordedInput): Promise<Recorded> {
  const bare = withoutMore(input)
  const request = {
    ...bare,
    context: { ...bare.context, facts_revision: policy.revision },
  }
  const { approval, session } = input.context
  let made: DecisionMade | undefined
  const parts = {
    policy: () => policy,
    taints: {
      of: () => Promise.resolve(session.taints ?? []),
      add: () => Promise.resolve(),
    },
    metrics: createPdpMetrics(new Registry()),
    now: () => FROM_MS,
    onDecision: (one: DecisionMade) => {
      made = one
    },
  }
  const none = createDecider({
    ...parts,
    approvals: { approvedFor: () => Promise.resolve(undefined) },
  })
  const wanted = approveObligation(await none.evaluate(request))
  const row =
    approval && wanted && approval.approvers.length >= wanted.count
      ? ({
          id: approval.id,
          approvers: wanted.approvers,
          count: wanted.count,
          decided_ms: approval.approved_ms,
          votes: approval.approvers.map((id) => ({
            approver: { issuer: 'i', type: 'user', id },
            approve: true,
            at_ms: approval.approved_ms,
          })),
        } as unknown as ApprovalRow)
      : undefined
  const decider = createDecider({
    ...parts,
    approvals: { approvedFor: () => Promise.resolve(row) },
  })
  const { effect, reasons, obligations } = await decider.decide(request)
  return {
    decision_id: ID,
    time_ms: request.context.time_ms,
    revision: policy.revision,
    input: (made?.input ?? request) as RecordedInput,
    verdict: { effect, reasons, obligations },
  }
}

const templateOf = (recorded: Recorded): readonly string[] =>
  lineOf(recorded).split(new RegExp(`(${ID}|${TIME}|${SESSION}|${STRANGER})`))

/** mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
