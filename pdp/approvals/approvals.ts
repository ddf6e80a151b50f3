import { randomUUID } from 'node:crypto'
import { actionDigest } from '../contract/action.ts'
import type { ApprovalDemand, ApprovalStatus, ApprovalUse } from '../contract/approval.ts'
import type { ApprovalId } from '../contract/brand.ts'
import type { PdpError } from '../contract/client.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { approveObligation, type Decider } from '../decide/decide.ts'
import { requesterOf } from '../decide/requester.ts'
import type { PdpMetrics } from '../metrics.ts'
import {
  type ApprovalQuery,
  type ApprovalRow,
  type ApprovalStore,
  StoreError,
  type VoteInput,
  type VoteRefusal,
} from '../store/store.ts'
import type { ApprovalVault, Shown } from './vault.ts'

/** An approval as people see it: all that it covers, or why that cannot be shown; nobody may approve it then. */
export type ShownApproval = Omit<ApprovalRow, 'content'> & (Shown | { readonly unreadable: string })

/** An approval is on its way to people: the webhook tells them. */
export type OnDemand = (approval: Omit<ApprovalRow, 'content'> & Shown) => void

export type ApprovalsParts = {
  readonly decider: Decider
  readonly store: ApprovalStore
  readonly vault: ApprovalVault
  readonly metrics: Pick<PdpMetrics, 'approvals'>
  readonly onDemand: OnDemand
  readonly now: () => number
}

/** Approvals of exactly one action of one requester, used once. Nothing here throws for an expected failure. */
export type Approvals = {
  readonly demand: (demand: ApprovalDemand) => Promise<Result<ApprovalStatus, PdpError>>
  /** Waits until the approval is decided, `wait_ms` are over or the signal ends. */
  readonly wait: (
    id: string,
    wait_ms: number,
    signal: AbortSignal,
  ) => Promise<Result<ApprovalStatus, PdpError>>
  readonly use: (use: ApprovalUse) => Promise<Result<ApprovalStatus, PdpError>>
  readonly find: (id: string) => Promise<Result<ShownApproval | undefined, PdpError>>
  readonly list: (query: ApprovalQuery) => Promise<Result<readonly ShownApproval[], PdpError>>
  readonly vote: (vote: Omit<VoteInput, 'now_ms'>) => Promise<Result<Voted, PdpError>>
  readonly close: () => void
}

export type Voted =
  | { readonly ok: true; readonly approval: ShownApproval }
  | { readonly ok: false; readonly reason: VoteRefusal | 'unreadable' }

/** How often what lapsed is ended, where nobody asks for it again. */
const SWEEP_MS = 15_000

const refused = (message: string): Result<never, PdpError> => err({ code: 'PDP_REFUSED', message })

/** What the store could not do, nobody did: the caller refuses. */
async function stored<T>(work: () => Promise<T>): Promise<Result<T, PdpError>> {
  try {
    return ok(await work())
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause
    return err({ code: 'PDP_UNAVAILABLE', message: `the store does not answer: ${cause.message}` })
  }
}

const statusOf = ({ id, state, expires_ms }: ApprovalRow): ApprovalStatus => ({
  id: id as ApprovalId,
  state,
  expires_ms,
})

export function createApprovals(parts: ApprovalsParts): Approvals {
  const { decider, store, vault, metrics, now } = parts
  /** Who waits for which approval. */
  const waiting = new Map<string, Set<() => void>>()
  const stop = store.onChange((id) => waiting.get(id)?.forEach((wake) => wake()))

  async function demand(asked: ApprovalDemand): Promise<Result<ApprovalStatus, PdpError>> {
    const { request, action } = asked
    const { connection } = request.resource.properties
    // What approvers are shown must be what was decided on, and nothing may be added to it.
    if (digestOf(action) !== request.context.action_digest)
      return refused('the action is not the one that the request was decided on')
    if (action.connection !== connection || !request.action.name.startsWith(action.type))
      return refused('the action is of another connection or kind than the request')
    // From our own decision: who may approve is not what the enforcement point says.
    const decision = await decider.evaluate(request)
    const duty = decision.effect === 'approve' ? approveObligation(decision) : undefined
    if (!duty) return refused(`policy does not ask for approval: ${decision.effect}`)
    const shown = { action, reasons: decision.reasons }
    const owner = { id: randomUUID(), session_id: request.context.session.id, connection }
    const result = await stored(() =>
      store.demand(
        {
          ...owner,
          requester: requesterOf(request),
          action_name: request.action.name,
          action_digest: request.context.action_digest ?? '',
          content: vault.seal(owner, shown),
          approvers: duty.approvers,
          count: duty.count,
          valid_s: duty.valid_s,
          operation_id: asked.operation_id,
          demand: { decision_id: decision.id, revision: decision.revision },
        },
        now(),
      ),
    )
    if (!result.ok) return result
    const { row, opened } = result.value
    if (opened) {
      metrics.approvals.inc({ event: 'demanded' })
      const { content: _, ...told } = row
      parts.onDemand({ ...told, ...shown })
    }
    return ok(statusOf(row))
  }

  async function wait(
    id: string,
    wait_ms: number,
    signal: AbortSignal,
  ): Promise<Result<ApprovalStatus, PdpError>> {
    const until = performance.now() + wait_ms
    const changed = Promise.withResolvers<void>()
    const wake = (): void => changed.resolve()
    // Before the row is read, so that no change falls between the two.
    const sleepers = waiting.get(id) ?? new Set()
    waiting.set(id, sleepers.add(wake))
    signal.addEventListener('abort', wake, { once: true })
    let timer: NodeJS.Timeout | undefined
    try {
      const before = await read(id)
      if (!before.ok) return before
      if (!before.value) return refused('there is no such approval')
      if (before.value.state !== 'pending') return ok(statusOf(before.value))
      const left = Math.min(until - performance.now(), before.value.expires_ms - now())
      timer = setTimeout(wake, Math.max(left, 0))
      await changed.promise
      const after = await read(id)
      if (!after.ok) return after
      return after.value ? ok(statusOf(after.value)) : refused('there is no such approval')
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      sleepers.delete(wake)
      if (sleepers.size === 0) waiting.delete(id)
    }
  }

  const read = (id: string) => stored(() => store.find(id, now()))

  async function show(row: ApprovalRow): Promise<ShownApproval> {
    const opened = await vault.open(row)
    const { content: _, ...told } = row
    return opened.ok ? { ...told, ...opened.value } : { ...told, unreadable: opened.error }
  }

  async function vote(cast: Omit<VoteInput, 'now_ms'>): Promise<Result<Voted, PdpError>> {
    const found = await read(cast.id)
    if (!found.ok) return found
    // Nobody approves what nobody can see.
    const opened = found.value && (await vault.open(found.value))
    if (cast.approve && opened && !opened.ok) return ok({ ok: false, reason: 'unreadable' })
    const result = await stored(() => store.vote({ ...cast, now_ms: now() }))
    if (!result.ok) return result
    if (!result.value.ok) return ok({ ok: false, reason: result.value.reason })
    const { row } = result.value
    if (row.state !== 'pending') metrics.approvals.inc({ event: row.state })
    return ok({ ok: true, approval: await show(row) })
  }

  const sweep = setInterval(() => {
    // What cannot be written down now is so the next time; whoever asks meanwhile sees it as expired all the same.
    stored(() => store.expire(now())).catch(() => undefined)
  }, SWEEP_MS)
  sweep.unref()

  async function use(used: ApprovalUse): Promise<Result<ApprovalStatus, PdpError>> {
    const result = await stored(() => store.consume({ ...used, now_ms: now() }))
    if (!result.ok) return result
    if (!result.value) return refused('it is not approved, has expired, or was used already')
    metrics.approvals.inc({ event: 'used' })
    return ok(statusOf(result.value))
  }

  return {
    demand,
    wait,
    use,
    async find(id) {
      const found = await read(id)
      return found.ok ? ok(found.value && (await show(found.value))) : found
    },
    async list(query) {
      const found = await stored(() => store.list({ now_ms: now(), ...query }))
      return found.ok ? ok(await Promise.all(found.value.map(show))) : found
    },
    vote,
    close() {
      clearInterval(sweep)
      stop()
      for (const sleepers of waiting.values()) for (const wake of sleepers) wake()
    },
  }
}

function digestOf(action: ApprovalDemand['action']): string | undefined {
  try {
    return actionDigest(action)
  } catch {
    return undefined // without a canonical form it equals nothing
  }
}
