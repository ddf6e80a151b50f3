import * as client from 'openid-client'
import { APPROVALS_RESOURCE, CLI_CLIENT } from './issuer-provider.ts'
import { signIn } from './sign-in-by-fetch.ts'

/** An approval as an approver sees it; what the demo and the trials look at. */
export type SeenApproval = {
  readonly id: string
  readonly state: string
  readonly action_digest: string
  readonly action: unknown
}

/** A person who approves over HTTP, logged in by device flow at the development issuer. */
export type Approver = {
  readonly pending: () => Promise<readonly SeenApproval[]>
  /** Waits for one that `wanted` picks. @throws {Error} after `within_ms`. */
  readonly waitFor: (
    wanted: (approval: SeenApproval) => boolean,
    within_ms?: number,
  ) => Promise<SeenApproval>
  /** Approves exactly what was seen: its digest is sent back. */
  readonly approve: (seen: SeenApproval) => Promise<void>
  readonly get: (path: string) => Promise<unknown>
  /** For commands that speak as this person. */
  readonly token: string
}

export type ApproverOptions = {
  readonly issuer: string
  readonly pdp: string
  readonly name: string
  readonly operator_secret: string
}

export async function logInApprover(options: ApproverOptions): Promise<Approver> {
  const token = await deviceLogin(options)
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(new URL(path, options.pdp), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const pending = async (): Promise<readonly SeenApproval[]> => {
    const answer = await call('GET', '/v1/approvals?state=pending')
    return Array.isArray(answer)
      ? (answer as SeenApproval[])
      : (answer as { readonly approvals: readonly SeenApproval[] }).approvals
  }
  return {
    pending,
    async waitFor(wanted, within_ms = 20_000) {
      const until = performance.now() + within_ms
      for (;;) {
        const found = (await pending()).find(wanted)
        if (found) return found
        if (performance.now() > until) throw new Error('nothing came that waits for approval')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    },
    async approve({ id, action_digest }) {
      await call('POST', `/v1/approvals/${encodeURIComponent(id)}/approve`, { action_digest })
    },
    get: (path) => call('GET', path),
    token,
  }
}

async function deviceLogin({ issuer, name, operator_secret }: ApproverOptions): Promise<string> {
  const config = await client.discovery(new URL(issuer), CLI_CLIENT, undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  })
  const asked = { scope: 'openid', resource: APPROVALS_RESOURCE }
  const device = await client.initiateDeviceAuthorization(config, asked)
  const page = await signIn(device.verification_uri_complete ?? '', {
    name,
    secret: operator_secret,
  })
  if (page.status !== 200) throw new Error(`the login as ${name} did not work: ${page.status}`)
  const soon = { ...device, interval: 0.1 }
  return (await client.pollDeviceAuthorizationGrant(config, soon)).access_token
}
