import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from './log.ts'
import { watchFiles } from './watch-files.ts'

export type ListenerOptions = {
  readonly address: { readonly host: string; readonly port: number }
  readonly tls?:
    | {
        readonly cert: string
        readonly key: string
        readonly client_ca?: string | undefined
        readonly require_client_certificate: boolean
      }
    | undefined
  readonly header_timeout_ms: number
  readonly idle_timeout_ms: number
  /** Called for every request that is one; must not throw. */
  readonly onRequest: (incoming: IncomingMessage, outgoing: ServerResponse) => void
  readonly log: Log
}

export type Listener = {
  /** Where it listens, e.g. `https://127.0.0.1:8443`. */
  readonly url: string
  /** Takes no new requests, lets running ones finish, and cuts what is left after `grace_ms`. */
  readonly close: (grace_ms: number) => Promise<void>
}

/** Cannot be opened as configured; the message says what to change. */
export class ListenError extends Error {
  readonly code = 'LISTEN'
}

const MAX_HEADER_BYTES = 32 * 1024

/** @throws {ListenError} when the address is taken or a certificate cannot be read. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { address, tls, log } = options
  const settings = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: options.header_timeout_ms,
    // Bodies may stream for long; silence ends them, see `timeout`.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(options.header_timeout_ms, 5000),
    keepAliveTimeout: 75_000,
    insecureHTTPParser: false,
  }
  const server = tls
    ? createTlsServer({ ...settings, ...certificates(tls) })
    : createServer(settings)
  // Longer than the upstream may be silent, so that its silence gets an answer and not a broken connection.
  server.timeout = options.idle_timeout_ms + 30_000
  server.on('request', options.onRequest)
  // Not answered here: the body is wanted only after the caller is known.
  server.on('checkContinue', options.onRequest)
  server.on('upgrade', (_incoming, socket: Duplex) => refuseSocket(socket, 501, 'Upgrade'))
  server.on('connect', (_incoming, socket: Duplex) => refuseSocket(socket, 405, 'CONNECT'))
  server.on('clientError', onClientError)
  const watcher =
    server instanceof TlsServer && tls ? watchCertificates(server, tls, log) : undefined
  await started(server, address)
  const bound = server.address() as AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://${address.host}:${bound.port}`,
    close: (grace_ms) => {
      watcher?.close()
      return stop(server, grace_ms)
    },
  }
}

function started(server: Server | TlsServer, { host, port }: ListenerOptions['address']) {
  return new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const message = `cannot listen on ${host}:${port}: ${error.message}; change listen in countersign.yaml, or stop what listens there`
      reject(new ListenError(message, { cause: error }))
    })
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => resolve())
  })
}

type Tls = NonNullable<ListenerOptions['tls']>

function certificates({ cert, key, client_ca, require_client_certificate }: Tls) {
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path)
    } catch (error) {
      throw new ListenError(`listen.tls: cannot read ${path}`, { cause: error })
    }
  }
  return {
    cert: read(cert),
    key: read(key),
    minVersion: 'TLSv1.2' as const,
    ...(client_ca !== undefined && {
      ca: read(client_ca),
      requestCert: true,
      rejectUnauthorized: require_client_certificate,
    }),
  }
}

function watchCertificates(server: TlsServer, tls: Tls, log: Log): { close(): void } {
  const { cert, key, client_ca } = tls
  const files = client_ca === undefined ? [cert, key] : [cert, key, client_ca]
  return watchFiles(files, () => reload(server, tls, log))
}

function reload(server: TlsServer, tls: Tls, log: Log): void {
  try {
    server.setSecureContext(certificates(tls))
    log('info', 'listener.certificate', { cert: tls.cert })
  } catch (error) {
    // The certificate before goes on serving; the next change is tried again.
    log('error', 'listener.certificate', { cert: tls.cert, error: String(error) })
  }
}

const body = (code: string, message: string): string =>
  JSON.stringify({ error: { code, message: `Countersign: ${message}` } })

function plainAnswer(status: string, text: string): string {
  const headers = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}`
  return `HTTP/1.1 ${status}\r\n${headers}\r\nconnection: close\r\n\r\n${text}`
}

function refuseSocket(socket: Duplex, status: 405 | 501, what: string): void {
  socket.on('error', () => {})
  const reason = status === 405 ? '405 Method Not Allowed' : '501 Not Implemented'
  // Behind an upgrade or a tunnel nobody could look into what is sent.
  socket.end(plainAnswer(reason, body('bad_request', `${what} is not supported here.`)))
}

const clientErrors: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to arrive'],
}

/** Whether an answer to the request before is on its way; Node's own handler looks at the same field. */
function answerBegan(socket: Duplex): boolean {
  const answering: unknown = '_httpMessage' in socket ? socket._httpMessage : undefined
  return answering instanceof ServerResponse && answering.headersSent
}

/** A request that could not be parsed; what follows it on the connection is not looked at. */
function onClientError(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || answerBegan(socket)) {
    socket.destroy()
    return
  }
  const [status, message] = clientErrors[error.code ?? ''] ?? [
    '400 Bad Request',
    'the request is not valid HTTP',
  ]
  socket.end(plainAnswer(status, body('bad_request', `${message}.`)))
  // Closed at once, what was not read yet would reset the connection before the answer is seen.
  setTimeout(() => socket.destroy(), 2000).unref()
}

async function stop(server: Server | TlsServer, grace_ms: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), grace_ms)
  await closed
  clearTimeout(timer)
}
