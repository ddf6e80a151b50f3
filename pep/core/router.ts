import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Verifier } from '../../identity/verifier.ts'
import type { Connection } from './adapter.ts'
import { answer, type Arrival, cut } from './exchange.ts'
import { identify } from './identify.ts'
import type { Metrics } from './metrics.ts'
import type { Refusal } from './refusal.ts'
import type { Log } from './services.ts'
import { targetOf } from './target.ts'

type HttpConnection = NonNullable<Connection['http']> & {
  readonly sessionHeaders: readonly string[]
}

export type RouterParts = {
  readonly connections: ReadonlyMap<string, HttpConnection>
  readonly verifier: Verifier
  readonly metrics: Metrics
  readonly log: Log
  /** Answers `/health`, `/metrics` and what is nobody's. */
  readonly own: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>
}

export type Route = (incoming: IncomingMessage, outgoing: ServerResponse, listener: string) => void

/** Sends `/<connection>/…` to its connection, on raw streams, once the caller is known. */
export function createRouter(parts: RouterParts): Route {
  const { connections, metrics, log, verifier } = parts

  async function serve(
    arrival: Arrival,
    connection: HttpConnection,
    name: string,
    listener: string,
  ) {
    const refuse = (refusal: Refusal): void => {
      metrics.refusals.inc({ connection: name, code: refusal.code })
      connection.refuse(arrival, refusal)
    }
    const problem = unsupported(arrival.incoming)
    if (problem) return refuse(problem)
    const { incoming } = arrival
    const caller = await identify(incoming, listener, verifier, connection.sessionHeaders)
    if (!caller.ok) return refuse(caller.error)
    return connection.handle({ ...arrival, caller: caller.value })
  }

  return (incoming, outgoing, listener) => {
    const gone = new AbortController()
    outgoing.on('close', () => {
      if (!outgoing.writableFinished) gone.abort()
    })
    const url = incoming.url ?? ''
    const target = targetOf(url)
    const arrival: Arrival = {
      incoming,
      outgoing,
      method: incoming.method ?? '',
      target: target.ok ? target.value.target : '',
      signal: gone.signal,
    }
    if (!target.ok) {
      refuseAny(arrival, target.error)
      return
    }
    const name = target.value.connection
    const connection = connections.get(name)
    const served = connection
      ? serve(arrival, connection, name, listener)
      : parts.own(incoming, outgoing)
    served.catch((error: unknown) => {
      // A defect: nothing more goes out, and nobody takes what went for the whole.
      log('error', 'router', { connection: name, error: String(error) })
      cut(arrival)
    })
  }
}

/** What no connection serves, whoever asks. */
function unsupported({ method, headers }: IncomingMessage): Refusal | undefined {
  const bad = (message: string): Refusal => ({ code: 'bad_request', message })
  // It would echo the injected credential by design.
  if (method === 'TRACE' || method === 'TRACK') return bad(`${method} is not supported here`)
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return bad('only the chunked transfer encoding is understood')
  if (coding !== undefined && headers['content-length'] !== undefined)
    return bad('a body has either a length or is chunked')
  if (headers.upgrade !== undefined) return bad('Upgrade is not supported here')
  return undefined
}

/** Before a connection is known there is no protocol to answer in but our own. */
function refuseAny(arrival: Arrival, { code, message }: Refusal): void {
  const body = JSON.stringify({ error: { code, message: `Countersign: ${message}` } })
  answer(arrival, 400, [['content-type', 'application/json']], body)
}
