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
      const [reason] = decision.reasons
      return err(reason ? `policy refuses: ${reason.message} (${reason.rule})` : 'policy refuses')
    },
  }
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

/** Whether a leaf lets this person see this session unmasked: the leaf of their own unmasking, not long ago. */
export function unmasks(
  leaf: string,
  { subject }: Identity,
  session_id: string,
  now_ms: number,
): boolean {
  const read = JSON.parse(leaf) as {
    readonly kind?: unknown
    readonly name?: unknown
    readonly time_ms?: unknown
    readonly logged_ms?: unknown
    readonly by?: { readonly issuer?: unknown; readonly type?: unknown; readonly id?: unknown }
    readonly decision?: { readonly effect?: unknown }
    readonly session_id?: unknown
  }
  return (
    read.kind === 'admin' &&
    read.name === 'unmask' &&
    read.decision?.effect === 'allow' &&
    read.session_id === session_id &&
    read.by?.issuer === subject.properties.issuer &&
    read.by.type === subject.type &&
    read.by.id === subject.id &&
    typeof read.logged_ms === 'number' &&
    now_ms - read.logged_ms < UNMASK_MS &&
    // The log's time stays ahead for as long as a clock was: it alone would let people see for that much longer.
    typeof read.time_ms === 'number' &&
    Math.abs(now_ms - read.time_ms) < UNMASK_MS
  )
}
