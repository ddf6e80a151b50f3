import { Socket } from 'node:net'

/**
 * The driver (postgres 3.4) forgets its socket when a connection closes, and throws where nobody can catch it when
 * something is written after that: the ROLLBACK of a transaction that was under way when the server was killed
 * (porsager/postgres issues 1154 and 1208). So everything that waits is told first that the connection is closed, then
 * what was written because of that, and only then the driver that there is no connection any more.
 */
const TELL_EVERY_MS = 50
const TELL_TIMES = 5

type Written = (error?: Error | null) => void

class PatientSocket extends Socket {
  #ended = false

  /** To one that is closed it goes nowhere; whoever waits for the answer is told below. */
  override write(
    data: string | Uint8Array,
    encoding?: BufferEncoding | Written,
    written?: Written,
  ): boolean {
    if (this.writableEnded || this.destroyed) return false
    return typeof encoding === 'string'
      ? super.write(data, encoding, written)
      : super.write(data, encoding ?? written)
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'close' || this.#ended) return super.emit(event, ...args)
    this.#ended = true
    this.#tell(TELL_TIMES)
    return true
  }

  #tell(times: number): void {
    if (times === 0) {
      // Without an error: everybody was told of it.
      super.emit('close', false)
      return
    }
    const error = new Error('write CONNECTION_CLOSED')
    if (this.listenerCount('error') > 0)
      super.emit('error', Object.assign(error, { code: 'CONNECTION_CLOSED' }))
    setTimeout(() => this.#tell(times - 1), TELL_EVERY_MS)
  }
}

/** Makes the driver's connections. @param options as it hands them over. */
export function patientSocket(options: {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path?: string | false
}): object {
  const socket = new PatientSocket()
  const [host = '127.0.0.1'] = options.host
  // What is written meanwhile waits until it is connected.
  if (options.path) return socket.connect(options.path)
  // The driver looks for the name here when it begins TLS.
  return Object.assign(socket.connect(options.port[0] ?? 5432, host), { host })
}
