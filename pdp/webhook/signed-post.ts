import { createHmac } from 'node:crypto'

/** Where a webhook goes, and what its receiver knows it by. */
export type WebhookTarget = {
  /** It may hold a secret of the receiver's: never logged. */
  readonly url: string
  readonly secret: string
  readonly now: () => number
}

/** Why a delivery was not taken. */
export type NotTaken = {
  /** A sentence; holds neither URL nor secret. */
  readonly problem: string
  /** Of the receiver's answer, when there was one. */
  readonly status?: number
}

/** Longest wait for the receiver to take one delivery. */
const TIMEOUT_MS = 10_000

/**
 * Posts JSON, signed: `countersign-signature: t=<seconds>,v1=<hex>` is HMAC-SHA256 over `<seconds>.<body>`;
 * receivers refuse old times and compare in constant time. Redirects are not followed.
 * @param ending gives the delivery up.
 * @returns why it was not taken, or `undefined` after a status of 2xx.
 */
export async function postSigned(
  { url, secret, now }: WebhookTarget,
  body: string,
  ending: AbortSignal,
  timeout_ms = TIMEOUT_MS,
): Promise<NotTaken | undefined> {
  const seconds = Math.floor(now() / 1000)
  const signature = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        'countersign-signature': `t=${seconds},v1=${signature}`,
      },
      body,
      signal: AbortSignal.any([ending, AbortSignal.timeout(timeout_ms)]),
    })
    await response.body?.cancel()
    const { ok, status } = response
    return ok ? undefined : { problem: `status ${status}`, status }
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

/** `fetch failed` alone helps nobody: the code behind it says refused, reset or unknown host. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  const { cause, message } = error
  return cause instanceof Error && 'code' in cause ? `${message} (${String(cause.code)})` : message
}
