import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import type { Header } from './headers.ts'
import type { Caller } from './operation.ts'
import type { Refusal } from './refusal.ts'

/** A request as it came in, before anyone knows who calls. */
export type Arrival = {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly method: string
  /** Path and query behind the connection's prefix; begins with `/`. Checked by `targetOf`. */
  readonly target: string
  /** Ends when the client goes away before its answer is complete. */
  readonly signal: AbortSignal
}

/** A request over HTTP of a known caller, as an adapter gets it. */
export type HttpExchange = Arrival & { readonly caller: Caller }

/** Whether the request has a body, and how long it says it is. -1: chunked. */
export function declaredLength(incoming: IncomingMessage): number {
  if (incoming.headers['transfer-encoding'] !== undefined) return -1
  return Number(incoming.headers['content-length'] ?? 0)
}

/**
 * Answers `Expect: 100-continue`. Call it once the body is wanted; a client that is refused before has sent nothing.
 */
export function wantBody({ incoming, outgoing }: Arrival): void {
  if (incoming.headers.expect !== undefined) outgoing.writeContinue()
}

/**
 * Reads a request body whole.
 * @param limitBytes most bytes that are kept; a longer body is refused without reading on.
 */
export async function readBody(
  arrival: Arrival,
  limitBytes: number,
): Promise<Result<Buffer, Refusal>> {
  const declared = declaredLength(arrival.incoming)
  if (declared === 0) return ok(nothing)
  if (declared > limitBytes) return err(tooLarge(limitBytes))
  wantBody(arrival)
  return new Promise((resolve) => {
    const { incoming } = arrival
    const chunks: Buffer[] = []
    let length = 0
    const settle = (result: Result<Buffer, Refusal>): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      resolve(result)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limitBytes) {
        incoming.pause()
        settle(err(tooLarge(limitBytes)))
      } else chunks.push(chunk)
    }
    const onEnd = (): void =>
      settle(ok(chunks.length === 1 ? (chunks[0] ?? nothing) : Buffer.concat(chunks, length)))
    // Also after an error: a body that is not whole is not acted upon.
    const onClose = (): void =>
      settle(err({ code: 'client_gone', message: 'the client went away while sending' }))
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
    if (incoming.destroyed) onClose()
  })
}

const nothing = Buffer.alloc(0)

export const tooLarge = (limitBytes: number): Refusal => ({
  code: 'too_large',
  message: `the body is larger than ${limitBytes} bytes`,
})

/** Writes and waits for the client when it reads slowly. Resolves also when the client is gone; see `Arrival.signal`. */
export async function write({ outgoing, signal }: Arrival, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || signal.aborted) return
  if (outgoing.write(bytes)) return
  try {
    await once(outgoing, 'drain', { signal })
  } catch {
    // The client is gone: the caller sees `signal.aborted`.
  }
}

/** Sends a whole answer of the enforcement point's own. */
export function answer(
  { outgoing, incoming }: Arrival,
  status: number,
  headers: readonly Header[],
  body: string,
): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  const bytes = Buffer.from(body)
  const list = headers.flat()
  list.push('content-length', String(bytes.length), 'cache-control', 'no-store')
  // What was not read of the request would be taken for the next one.
  if (!incoming.complete) list.push('connection', 'close')
  outgoing.writeHead(status, list)
  outgoing.end(bytes)
}

/** Ends an answer that must not look complete: the client sees a reset, never a clean end. */
export function cut({ outgoing, incoming }: Arrival): void {
  if (incoming.socket.destroyed) return
  if ('resetAndDestroy' in incoming.socket && !('encrypted' in incoming.socket))
    incoming.socket.resetAndDestroy()
  else outgoing.destroy()
}
