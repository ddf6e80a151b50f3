import type { Identity } from '../../identity/claims.ts'
import type { AdministeredResource, AdministrativeAction } from '../contract/administration.ts'
import type { Decision } from '../contract/decision.ts'
import type { AdminFacts } from '../contract/facts.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { Administer } from '../decide/administer.ts'
import type { LeafBody, LogStore } from './log-store.ts'

/** Something that a person wants to do to the evidence. */
export type Act = {
  /** As the log calls it. */
  readonly name: 'unmask' | 'export' | 'erase' | 'hold' | 'release' | 'retain' | 'resume'
  readonly action: AdministrativeAction
  readonly resource: AdministeredResource
  /** As the service knows it, but for the reason. */
  readonly admin: AdminFacts
  /** What else the log says of it. */
  readonly detail: Readonly<Record<string, unknown>>
}

/** The leaf of an act that policy allows; it goes into the log before the act, or in one transaction with it. */
export type ActLeaf = (more?: Readonly<Record<string, unknown>>) => LeafBody

export type AdministrationParts = {
  readonly administer: Administer
  readonly log: Pick<LogStore, 'append'>
  /** Name of this service in its leaves. */
  readonly source: string
  readonly now: () => number
}

export type Administration = {
  /**
   * Asks policy. A refusal is on record when this returns.
   * @returns the leaf, or why not.
   */
  readonly authorize: (person: Identity, act: Act) => Promise<Result<ActLeaf, string>>
  /** Whether policy might allow it: nothing comes of it, so nothing is on record. @returns why not. */
  readonly might: (
    person: Identity,
    act: Pick<Act, 'action' | 'resource' | 'admin'>,
  ) => Result<void, string>
  /** Puts an act on record that is about to happen. @returns the leaf's index. */
  readonly record: (leaf: LeafBody) => Promise<number>
}

export function createAdministration(parts: AdministrationParts): Administration {
  const { administer, log, source, now } = parts
  const record = async (leaf: LeafBody): Promise<number> => (await log.append([leaf])).from

  return {
    record,
    async authorize(person, act) {
      const { action, resource, admin } = act
      const decision = administer({ person, action, resource, admin })
      const leaf: ActLeaf = (more) => actLeaf(act, person, decision, source, now(), more)
      if (decision.effect === 'allow') return ok(leaf)
      await record(leaf())
      return err(refusal(decision))
    },
    might(person, { action, resource, admin }) {
      const decision = administer({ person, action, resource, admin })
      return decision.effect === 'allow' ? ok(undefined) : err(refusal(decision))
    },
  }
}

function refusal({ reasons: [reason] }: Decision): string {
  return reason ? `policy refuses: ${reason.message} (${reason.rule})` : 'policy refuses'
}

function actLeaf(
  { name, resource, admin, detail }: Act,
  { subject }: Identity,
  { id, effect, reasons, revision }: Decision,
  source: string,
  time_ms: number,
  more: Readonly<Record<string, unknown>> = {},
): LeafBody {
  return {
    v: 1,
    kind: 'admin',
    time_ms,
    source: { pdp: source },
    name,
    by: { issuer: subject.properties.issuer, type: subject.type, id: subject.id },
    ...(admin.reason !== undefined && { reason: admin.reason }),
    decision: { id, effect, rules: reasons.map(({ rule }) => rule), revision },
    ...(resource.type === 'countersign.session' && { session_id: resource.id }),
    detail: { ...detail, ...more },
  }
}

/** How long what a person may see unmasked can be asked for. */
export const UNMASK_MS = 15 * 60_000
/** Clocks of several services differ by a little; a grant from further ahead is one of a clock that was wrong. */
const CLOCK_MS = 60_000

/** What is to be seen unmasked: a session, with all connections that it reached by now. */
export type Unmasked = { readonly id: string; readonly connections: readonly string[] }

/**
 * Whether a leaf lets this person see this session unmasked: the leaf of their own unmasking, not long ago. What the
 * session reached since then, policy was not asked about.
 */
export function unmasks(
  leaf: string,
  { subject }: Identity,
  session: Unmasked,
  now_ms: number,
): boolean {
  const read = JSON.parse(leaf) as {
    readonly kind?: unknown
    readonly name?: unknown
    readonly time_ms?: unknown
    readonly by?: { readonly issuer?: unknown; readonly type?: unknown; readonly id?: unknown }
    readonly decision?: { readonly effect?: unknown }
    readonly session_id?: unknown
    readonly detail?: { readonly connections?: unknown }
  }
  const connections = read.detail?.connections
  // By the clock of who granted it: that of the log never goes back, and stays ahead where it once was.
  const age_ms = typeof read.time_ms === 'number' ? now_ms - read.time_ms : UNMASK_MS
  return (
    read.kind === 'admin' &&
    read.name === 'unmask' &&
    read.decision?.effect === 'allow' &&
    read.session_id === session.id &&
    read.by?.issuer === subject.properties.issuer &&
    read.by.type === subject.type &&
    read.by.id === subject.id &&
    Array.isArray(connections) &&
    session.connections.every((name) => connections.includes(name)) &&
    age_ms > -CLOCK_MS &&
    age_ms < UNMASK_MS
  )
}
