import { setTimeout as sleep } from 'node:timers/promises'
import type { Reason } from '../contract/decision.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { Log } from '../../server/log.ts'
import { postSigned, type WebhookTarget } from '../webhook/signed-post.ts'
import type { OnDemand } from './approvals.ts'

type Told = Parameters<OnDemand>[0]

export type WebhookOptions = WebhookTarget & {
  /** What of reasons leaves the service: their messages may quote the action. */
  readonly shown: (reasons: readonly Reason[]) => Promise<readonly Reason[]>
  readonly log: Log
  readonly metrics: Pick<PdpMetrics, 'webhooks'>
  /** First wait before a delivery is tried again, milliseconds; doubles. */
  readonly retry_ms?: number
}

export type Webhook = {
  /** Tells approvers of a new approval; returns at once. */
  readonly send: OnDemand
  readonly close: () => Promise<void>
}

const TRIES = 6
/** Deliveries that wait; past it the oldest goes, and `approvals list` still has it. */
const MOST_WAITING = 1000

/**
 * Tells a URL of each new approval: who asks for what kind of action where, never the action's content, which
 * approvers read after they logged in, nor its digest, by which a short one could be guessed. Signed, see `postSigned`.
 */
export function createWebhook(options: WebhookOptions): Webhook {
  const { log, metrics } = options
  const waiting: Told[] = []
  const ending = new AbortController()
  let running: Promise<void> | undefined

  async function deliverAll(): Promise<void> {
    for (let row = waiting.shift(); row; row = waiting.shift()) await deliver(row)
    running = undefined
  }

  async function deliver(row: Told): Promise<void> {
    const body = JSON.stringify(eventOf(row, await options.shown(row.reasons)))
    for (let attempt = 1; attempt <= TRIES && !ending.signal.aborted; attempt += 1) {
      const refused = await postSigned(options, body, ending.signal)
      if (refused === undefined) {
        metrics.webhooks.inc({ result: 'sent' })
        return
      }
      const last = attempt === TRIES
      metrics.webhooks.inc({ result: last ? 'given_up' : 'retried' })
      log(last ? 'error' : 'warn', 'webhook.failed', {
        approval: row.id,
        attempt,
        problem: refused.problem,
      })
      const wait = (options.retry_ms ?? 1000) * 2 ** (attempt - 1)
      if (!last) await sleep(wait, undefined, { signal: ending.signal, ref: false }).catch(() => {})
    }
  }

  return {
    send(row) {
      if (waiting.length >= MOST_WAITING) {
        const dropped = waiting.shift()
        metrics.webhooks.inc({ result: 'dropped' })
        log('error', 'webhook.dropped', { approval: dropped?.id })
      }
      waiting.push(row)
      running ??= deliverAll()
    },
    async close() {
      ending.abort()
      await running
    },
  }
}

function eventOf(row: Told, reasons: readonly Reason[]): Record<string, unknown> {
  return {
    type: 'approval.demanded',
    id: row.id,
    requester: row.requester,
    connection: row.connection,
    action: row.action_name,
    reasons,
    approvers: row.approvers,
    count: row.count,
    expires_ms: row.expires_ms,
  }
}
