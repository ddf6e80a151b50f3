import type { JournalRecord } from '../contract/record.ts'
import type { PolicyStore, SessionStore, SessionStep } from '../store/store.ts'
import type { Reader } from './reader.ts'

export type DecisionsQuery = {
  /** Only decisions from then on, milliseconds since the epoch. */
  readonly since_ms?: number
  /** First leaf to look at. */
  readonly from: number
  /** Only of this session. */
  readonly session?: string
  /** With what agents sent, where it was recorded. */
  readonly bodies: boolean
}

export type DecisionsParts = {
  readonly sessions: Pick<SessionStore, 'decisions'>
  readonly policies: Pick<PolicyStore, 'find'>
  readonly reader: Reader
}

const PAGE = 500

/**
 * Recorded decisions as lines of JSON, as `policy backtest` reads them: a header; decisions, and each before the first one
 * made under it, policies; an end that says how many decisions there were, and how many could not be opened.
 */
export async function* decisionLines(
  { sessions, policies, reader }: DecisionsParts,
  query: DecisionsQuery,
): AsyncGenerator<string> {
  const { since_ms = 0, session, bodies } = query
  yield line({ format: 'countersign-decisions', version: 1, bodies })
  const told = new Set<string>()
  const counts = { decisions: 0, unreadable: 0 }
  for await (const step of all(sessions, query.from, session)) {
    const leaf = JSON.parse(step.leaf) as Readonly<Record<string, unknown>>
    if (Number(leaf['time_ms']) < since_ms) continue
    const opened = await reader.open(leaf, step.sealed)
    if (!opened.ok) {
      counts.unreadable += 1
      continue
    }
    const record = opened.value
    if (record.kind !== 'intent' && record.kind !== 'decision') continue
    const { revision } = record.decision
    if (!told.has(revision)) {
      told.add(revision)
      const policy = await policies.find(revision)
      if (policy) yield line({ policy: { ...policy, bundles: policy.bundles.map(packed) } })
    }
    yield line(decisionOf(record, bodies))
    counts.decisions += 1
  }
  yield line({ end: counts })
}

const line = (value: unknown): string => `${JSON.stringify(value)}\n`

const packed = ({ name, archive }: { readonly name: string; readonly archive: Uint8Array }) => ({
  name,
  archive: Buffer.from(archive).toString('base64'),
})

async function* all(
  sessions: Pick<SessionStore, 'decisions'>,
  first: number,
  session: string | undefined,
): AsyncGenerator<SessionStep> {
  let from = first
  for (;;) {
    const page = await sessions.decisions({
      from,
      limit: PAGE,
      ...(session !== undefined && { session }),
    })
    yield* page
    const last = page.at(-1)
    if (!last || page.length < PAGE) return
    from = last.index + 1
  }
}

type Decided = Extract<JournalRecord, { readonly kind: 'intent' | 'decision' }>

/** The input as policy was asked: with the taints and the approval that the decision service added. */
function decisionOf(record: Decided, bodies: boolean): Readonly<Record<string, unknown>> {
  const { request, decision, exchange, time_ms } = record
  const { id, revision, effect, reasons, obligations, taints, approval } = decision
  const { context } = request
  const session = { ...context.session, ...(taints && { taints }) }
  const { body, method, target, headers } = exchange
  return {
    decision_id: id,
    time_ms,
    revision,
    input: { ...request, context: { ...context, session, ...(approval && { approval }) } },
    verdict: { effect, reasons, obligations },
    ...(bodies && {
      ...(body && { body: { base64: Buffer.from(body).toString('base64'), whole: true } }),
      exchange: { method, target, headers },
    }),
  }
}
