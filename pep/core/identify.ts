import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Verifier } from '../../identity/verifier.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Caller } from './operation.ts'
import type { Refusal } from './refusal.ts'

/**
 * Finds out who calls: exactly one credential, in `Authorization: Bearer` or `x-api-key`, verified.
 * @param listener the listener's address, for `source.listener`.
 * @param sessionHeaders names, lower case, of headers that may say what the client calls its session.
 */
export async function identify(
  incoming: IncomingMessage,
  listener: string,
  verifier: Verifier,
  sessionHeaders: readonly string[],
): Promise<Result<Caller, Refusal>> {
  const token = credentialOf(incoming.rawHeaders)
  if (!token.ok) return token
  const identity = await verifier.verify(token.value)
  if (!identity.ok) return unauthenticated(`the token is not accepted: ${identity.error.message}`)
  const { subject, session_id } = identity.value
  const label = labelOf(incoming, sessionHeaders)
  return ok({
    subject,
    session: { id: session_id, ...(label !== undefined && { label }) },
    source: sourceOf(incoming, listener),
  })
}

const unauthenticated = (message: string): Result<never, Refusal> =>
  err({ code: 'unauthenticated', message })

function credentialOf(raw: readonly string[]): Result<string, Refusal> {
  let found: string | undefined
  let count = 0
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase()
    if (name !== 'authorization' && name !== 'x-api-key') continue
    count += 1
    const value = raw[i + 1] ?? ''
    found = name === 'x-api-key' ? value : /^bearer +([^\s,]+)$/i.exec(value)?.[1]
  }
  // Several: which one policy judged and which one someone behind us would use could differ.
  if (count > 1)
    return unauthenticated('send exactly one credential, in Authorization or x-api-key')
  if (found === undefined || found === '')
    return unauthenticated('send a token as Authorization: Bearer <token> or x-api-key')
  return ok(found)
}

function labelOf(incoming: IncomingMessage, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = incoming.headers[name]
    // One that begins with a dash would be an option where it is typed.
    if (typeof value === 'string' && /^[\w.:][\w.:-]{0,127}$/.test(value)) return value
  }
  return undefined
}

function sourceOf(incoming: IncomingMessage, listener: string): Caller['source'] {
  const { socket } = incoming
  const address = socket.remoteAddress
  const agent = incoming.headers['user-agent']
  const certificate = socket instanceof TLSSocket ? certificateOf(socket) : undefined
  return {
    listener,
    ...(address !== undefined && { address }),
    ...(agent !== undefined && { user_agent: agent.slice(0, 512) }),
    ...(certificate !== undefined && { client_certificate: certificate }),
  }
}

const certificates = new WeakMap<TLSSocket, string | undefined>()

/** Subject of a client certificate that was verified; one that was not says nothing. RFC 2253 style. */
function certificateOf(socket: TLSSocket): string | undefined {
  if (!socket.authorized) return undefined
  if (certificates.has(socket)) return certificates.get(socket)
  const subject = socket.getPeerX509Certificate()?.subject.replaceAll('\n', ',')
  certificates.set(socket, subject)
  return subject
}
