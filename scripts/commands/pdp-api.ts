import { Option } from 'commander'
import { personToken } from './login-file.ts'
import { CommandError } from './output.ts'

export const pdpOption = (): Option =>
  new Option('--pdp <url>', 'the decision service')
    .default('http://127.0.0.1:8181')
    .env('COUNTERSIGN_PDP')

/** Calls the decision service as the person who is logged in. @throws {CommandError} */
export async function callPdp<T>(
  pdp: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  const token = await personToken()
  let response: Response
  try {
    response = await fetch(new URL(path, pdp), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    })
  } catch (cause) {
    const message = `nothing answers at ${pdp}: start it with npx countersign start, or name it with --pdp`
    throw new CommandError('unreachable', message, { cause })
  }
  const text = await response.text()
  if (response.ok) return JSON.parse(text) as T
  const said = errorOf(text) ?? `it answered ${response.status}`
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
