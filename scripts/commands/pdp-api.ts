import { Option } from 'commander'
import { personToken } from './login-file.ts'
import { CommandError } from './output.ts'

export const pdpOption = (): Option =>
  new Option('--pdp <url>', 'the decision service')
    .default('http://127.0.0.1:8181')
    .env('COUNTERSIGN_PDP')

/**
 * Calls the decision service as the person who is logged in.
 * @param timeout_ms longest wait for the whole answer.
 * @throws {CommandError}
 */
export async function callPdp<T>(
  pdp: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  timeout_ms = CALL_MS,
): Promise<T> {
  const response = await answered(pdp, path, AbortSignal.timeout(timeout_ms), {
    method,
    accept: 'application/json',
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return JSON.parse(await response.text()) as T
}

/**
 * An answer that comes for as long as it goes on; only its beginning has a deadline.
 * @throws {CommandError} when it does not begin.
 */
export async function streamPdp(
  pdp: string,
  path: string,
  accept: string,
  sent?: unknown,
): Promise<ReadableStream<Uint8Array>> {
  const begun = new AbortController()
  const timer = setTimeout(() => begun.abort(), CALL_MS)
  try {
    const { body } = await answered(
      pdp,
      path,
      begun.signal,
      sent === undefined
        ? { method: 'GET', accept }
        : { method: 'POST', accept, body: JSON.stringify(sent) },
    )
    if (!body) throw new CommandError('failed', `${pdp} answered with nothing`)
    return body
  } finally {
    clearTimeout(timer)
  }
}

const CALL_MS = 30_000

async function answered(
  pdp: string,
  path: string,
  signal: AbortSignal,
  { method, accept, body }: { method: 'GET' | 'POST'; accept: string; body?: string },
): Promise<Response> {
  const token = await personToken()
  let response: Response
  try {
    response = await fetch(new URL(path, pdp), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
      redirect: 'error',
      signal,
    })
  } catch (cause) {
    const message = `nothing answers at ${pdp}: start it with npx countersign start, or name it with --pdp`
    throw new CommandError('unreachable', message, { cause })
  }
  if (response.ok) return response
  const said = errorOf(await response.text()) ?? `it answered ${response.status}`
  if (response.status === 401)
    throw new CommandError('refused', `${said}; run npx countersign login`)
  throw new CommandError(response.status === 403 ? 'refused' : 'failed', said)
}

function errorOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: { message?: string } }).error?.message
  } catch {
    return undefined
  }
}
