import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import type { Log } from '../../pep/core/services.ts'
import { problemPage, signInPage } from './issuer-pages.ts'
import { DEMO_CLIENT, purposes } from './issuer-provider.ts'
import type { OperatorSecret } from './operator-secret.ts'

const PREFIX = '/sign-in/'
const MOST_BYTES = 4096
/** Names that cannot be taken for an agent's, and that are safe to show in a terminal. */
const personName = /^(?!demo-agent$)[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/i

export const signInPath = (uid: string): string => `${PREFIX}${uid}`

type SignInParts = {
  readonly provider: Provider
  readonly secret: OperatorSecret
  readonly log: Log
}

type Details = Awaited<ReturnType<Provider['interactionDetails']>>

/**
 * The page where a person says who they are and proves to sit at the operator's terminal.
 * @returns whether the request was for it.
 */
export function createSignIn(parts: SignInParts) {
  const key = randomBytes(32)
  const csrfOf = (uid: string): string => createHmac('sha256', key).update(uid).digest('base64url')

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { pathname } = new URL(request.url ?? '/', 'http://issuer')
    if (!pathname.startsWith(PREFIX)) return false
    let details: Details
    try {
      // Found by a signed cookie that only this path gets; the address alone opens nothing.
      details = await parts.provider.interactionDetails(request, response)
    } catch {
      send(response, 400, problemPage('This login is over, or was begun in another browser.'))
      return true
    }
    if (pathname !== signInPath(details.uid)) {
      send(response, 400, problemPage('This is the page of another login.'))
    } else if (purposeOf(details) === undefined) {
      // Several resources, or none: a page that cannot say what is given does not give it.
      const denied = { error: 'invalid_target', error_description: 'ask for one resource' }
      await parts.provider.interactionFinished(request, response, denied)
    } else if (request.method === 'GET') await show(response, details, 200)
    else if (request.method === 'POST') await take(request, response, details)
    else send(response, 405, problemPage('This page takes GET and POST.'))
    return true
  }

  async function show(
    response: ServerResponse,
    details: Details,
    status: number,
    name = '',
    problem?: string,
  ): Promise<void> {
    const { provider } = parts
    const client = await provider.Client.find(String(details.params['client_id']))
    const code = await provider.DeviceCode.find(details.deviceCode ?? '')
    const view = {
      action: signInPath(details.uid),
      csrf: csrfOf(details.uid),
      code: shownCode(code?.userCode ?? ''),
      client: client?.clientName ?? '',
      purpose: purposeOf(details) ?? '',
      name,
      problem,
    }
    send(response, status, signInPage(view))
  }

  async function take(
    request: IncomingMessage,
    response: ServerResponse,
    details: Details,
  ): Promise<void> {
    const form = await readForm(request)
    if (!form || !same(form.get('csrf') ?? '', csrfOf(details.uid))) {
      send(response, 403, problemPage('The form is not the one that this page showed.'))
      return
    }
    if (form.get('answer') === 'cancel') {
      const denied = { error: 'access_denied', error_description: 'the login was cancelled' }
      await parts.provider.interactionFinished(request, response, denied)
      return
    }
    const name = form.get('name') ?? ''
    if (!personName.test(name)) {
      const problem = `A name has up to 64 letters, digits and . _ @ + -, and is not ${DEMO_CLIENT}.`
      await show(response, details, 400, '', problem)
      return
    }
    const attempt = parts.secret.attempt(form.get('secret') ?? '')
    if (attempt === 'right') await finish(request, response, details, name)
    else await refuse(response, details, name, attempt)
  }

  async function refuse(
    response: ServerResponse,
    details: Details,
    name: string,
    attempt: 'wrong' | 'locked',
  ): Promise<void> {
    parts.log('warn', 'issuer.secret_refused', { attempt, name })
    const problem =
      attempt === 'locked'
        ? 'Too many wrong secrets: wait, then try again. See the terminal where start runs.'
        : 'That is not the secret. It is shown on the terminal where start runs.'
    await show(response, details, attempt === 'locked' ? 429 : 403, name, problem)
  }

  async function finish(
    request: IncomingMessage,
    response: ServerResponse,
    details: Details,
    name: string,
  ): Promise<void> {
    const { provider, log } = parts
    const { params } = details
    const grant = new provider.Grant({ accountId: name, clientId: String(params['client_id']) })
    grant.addOIDCScope('openid')
    // Exactly the resource that the page named.
    grant.addResourceScope(String(params['resource']), 'openid')
    const consent = { grantId: await grant.save() }
    log('info', 'issuer.login', { name, resource: params['resource'] })
    await provider.interactionFinished(request, response, {
      login: { accountId: name, remember: false },
      consent,
    })
  }

  return serve
}

const purposeOf = ({ params: { resource } }: Details): string | undefined =>
  typeof resource === 'string' && Object.hasOwn(purposes, resource) ? purposes[resource] : undefined

const shownCode = (code: string): string => code.replace(/^(.{4})(.{4})$/, '$1-$2')

const same = (given: string, wanted: string): boolean =>
  given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted))

function send(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(html)
}

/** @returns `undefined` for what is not a small form. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return undefined
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MOST_BYTES) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
