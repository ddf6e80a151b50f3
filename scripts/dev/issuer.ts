import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import type { JWK, Provider } from 'oidc-provider'
import { type IssuerConfig, issuerConfig } from '../../identity/issuer.ts'
import type { Log } from '../../pep/core/services.ts'
import { problemPage, securityHeaders } from './issuer-pages.ts'
import {
  AGENT_ALGORITHM,
  AGENT_AUDIENCE,
  APPROVALS_ALGORITHM,
  APPROVALS_AUDIENCE,
  createProvider,
  DEMO_CLIENT,
} from './issuer-provider.ts'
import { createSignIn, signInPath } from './issuer-sign-in.ts'
import { createOperatorSecret } from './operator-secret.ts'
import { keepPrivate, writePrivate } from '../private-file.ts'

export type DevIssuerOptions = {
  /** A loopback address; port 0 for any. Default 127.0.0.1:8182. */
  readonly address?: { readonly host: string; readonly port: number }
  /** Where the demo agent's secret and the key of agents' tokens are kept, 0600. */
  readonly folder: string
  /** What `development` says in countersign.yaml; anything but true is refused. */
  readonly development: boolean
  readonly log: Log
  readonly now?: () => number
}

export type DevIssuer = {
  readonly url: string
  /** For `identity.issuers`: tokens of agents. */
  readonly issuer: IssuerConfig
  /** For `pdp.approvals.issuers`: tokens of approvers, by another key and algorithm. */
  readonly approvals: IssuerConfig
  readonly demo_client: { readonly id: string; readonly secret: string }
  /** Shown on the operator's terminal, and nowhere else: whoever has it can approve. */
  readonly operator_secret: string
  readonly close: () => Promise<void>
}

/** File of the demo agent's client, in the data folder: `{ issuer, client_id, client_secret }`. */
export const DEMO_CLIENT_FILE = 'demo-agent.json'
const KEY_FILE = 'issuer-key.json'

const loopback: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '[::1]'])

/**
 * Starts an OpenID Connect issuer for development, on loopback. Agents get tokens with the demo client's secret;
 * people log in by device flow, with the secret that only the operator's terminal shows.
 * @throws {Error} unless `development` is true and the address is loopback.
 */
export async function startDevIssuer(options: DevIssuerOptions): Promise<DevIssuer> {
  const { address = { host: '127.0.0.1', port: 8182 }, folder, log } = options
  const { development }: { readonly development: unknown } = options
  if (development !== true) {
    throw new Error('the development issuer runs only with development: true in countersign.yaml')
  }
  if (!loopback.has(address.host)) {
    throw new Error(`the development issuer listens on loopback only, not on ${address.host}`)
  }
  const secret = createOperatorSecret(options.now)
  const keys = [await agentKey(folder), await approvalsKey()]
  const client_secret = await clientSecret(folder)
  const server = createServer()
  await listening(server, address) // before the provider: it has to know its address
  const { port } = server.address() as AddressInfo
  const url = `http://${address.host.includes(':') ? '[::1]' : address.host}:${port}`
  const demo_client = { id: DEMO_CLIENT, secret: client_secret }
  const codes = new WeakMap<IncomingMessage, string>()
  const codeOf = (ctx: { readonly req: IncomingMessage }): string => codes.get(ctx.req) ?? ''
  const provider = createProvider({ url, demo_client, keys, signInPath, codeOf })
  provider.on('server_error', (_, error) => log('error', 'issuer.failed', { error: error.message }))
  const signIn = createSignIn({ provider, secret, log })
  server.on('request', listenerOf({ url, provider, signIn, codes, log }))
  const file = { issuer: url, client_id: demo_client.id, client_secret }
  try {
    await writePrivate(join(folder, DEMO_CLIENT_FILE), `${JSON.stringify(file, undefined, 2)}\n`)
  } catch (error) {
    await closing(server)
    throw error
  }
  return {
    url,
    issuer: agentIssuer(url),
    approvals: issuerConfig.parse({
      url,
      audience: APPROVALS_AUDIENCE,
      algorithms: [APPROVALS_ALGORITHM],
      claims: { type: { claim: 'subject_type', default: 'user' } },
    }),
    demo_client,
    operator_secret: secret.text,
    close: () => closing(server),
  }
}

/** How tokens of agents are verified. @param url of the development issuer. */
export const agentIssuer = (url: string): IssuerConfig =>
  issuerConfig.parse({
    url,
    audience: AGENT_AUDIENCE,
    algorithms: [AGENT_ALGORITHM],
    claims: { type: { claim: 'subject_type', default: 'agent' } },
  })

type ListenerParts = {
  readonly url: string
  readonly provider: Provider
  readonly signIn: ReturnType<typeof createSignIn>
  readonly codes: WeakMap<IncomingMessage, string>
  readonly log: Log
}

function listenerOf({ url, provider, signIn, codes, log }: ListenerParts) {
  const serve = provider.callback()
  return (request: IncomingMessage, response: ServerResponse): void => {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    const refused = foreign(request, url)
    if (refused) {
      response.writeHead(refused.status, { 'content-type': 'text/html; charset=utf-8' })
      response.end(problemPage(refused.message))
      return
    }
    takeCode(request, codes)
    void signIn(request, response)
      .then((served) => (served ? undefined : serve(request, response)))
      .catch((error: unknown) => {
        log('error', 'issuer.failed', { error: String(error) })
        response.destroy() // no half answer is taken for a login
      })
  }
}

/** Another name for this address (DNS rebinding), or a page of another origin. */
function foreign(
  request: IncomingMessage,
  url: string,
): { readonly status: number; readonly message: string } | undefined {
  const { host, origin } = request.headers
  if (host !== new URL(url).host || !request.url?.startsWith('/')) {
    return { status: 421, message: `This issuer answers at ${url} only.` }
  }
  const site = request.headers['sec-fetch-site']
  // A link may lead here from anywhere; only our own pages may send forms, and nobody reads from elsewhere.
  const navigates = request.method === 'GET' && request.headers['sec-fetch-mode'] === 'navigate'
  const elsewhere = site !== undefined && site !== 'same-origin' && site !== 'none' && !navigates
  if ((origin !== undefined && origin !== url) || elsewhere) {
    return { status: 403, message: 'Another site may not use this issuer.' }
  }
  return undefined
}

/** Takes the code out of the address: a person sends it with a form of their own; an address alone sends nothing. */
function takeCode(request: IncomingMessage, codes: WeakMap<IncomingMessage, string>): void {
  const asked = new URL(request.url ?? '/', 'http://issuer')
  const code = asked.searchParams.get('user_code')
  if (request.method !== 'GET' || asked.pathname !== '/device' || code === null) return
  codes.set(request, code.slice(0, 32))
  request.url = '/device'
}

/** Made at the first start, and kept. */
async function clientSecret(folder: string): Promise<string> {
  const path = join(folder, DEMO_CLIENT_FILE)
  const make = (): Promise<string> =>
    Promise.resolve(JSON.stringify({ client_secret: randomBytes(32).toString('base64url') }))
  const kept = JSON.parse(await keepPrivate(path, make)) as { readonly client_secret?: unknown }
  if (typeof kept.client_secret !== 'string' || kept.client_secret.length < 32) {
    throw new Error(`${path} does not hold a client secret: delete it, and another one is made`)
  }
  return kept.client_secret
}

async function agentKey(folder: string): Promise<JWK> {
  const path = join(folder, KEY_FILE)
  const kept = await keepPrivate(path, async () => JSON.stringify(await newKey(AGENT_ALGORITHM)))
  const jwk = JSON.parse(kept) as JWK
  if (jwk.kty !== 'EC' || typeof jwk['d'] !== 'string') {
    throw new Error(`${path} does not hold a private key: delete it, and another one is made`)
  }
  return jwk
}

/** In memory only: a program of the same user that reads our files cannot sign an approver's token. */
const approvalsKey = (): Promise<JWK> => newKey(APPROVALS_ALGORITHM)

async function newKey(alg: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `${alg.toLowerCase()}-${randomBytes(6).toString('hex')}`
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

const listening = (
  server: Server,
  address: { readonly host: string; readonly port: number },
): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const where = `${address.host}:${address.port}`
      const message = `the development issuer cannot listen on ${where} (${cause.message}): is another countersign start running? Stop it, or use --issuer-port and addresses of your own in countersign.yaml`
      reject(new Error(message, { cause }))
    })
    server.listen(address.port, address.host.replaceAll(/[[\]]/g, ''), () => resolve())
  })

const closing = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
