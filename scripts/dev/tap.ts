import { createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What went through a tap, whole. */
export type Tapped = {
  readonly method: string
  readonly target: string
  readonly asked: Buffer
  readonly answered: Buffer
}

export type Tap = {
  readonly url: string
  readonly exchanges: readonly Tapped[]
  readonly close: () => Promise<void>
}

/** A proxy on loopback that passes everything on as it comes and keeps the bodies. @param target its base path counts. */
export async function startTap(target: URL): Promise<Tap> {
  const exchanges: Tapped[] = []
  const server = createServer((incoming, outgoing) => {
    void bodyOf(incoming).then((asked) => {
      const { method = 'GET', url = '/', headers } = incoming
      const path = `${target.pathname.replace(/\/$/, '')}${url}`
      const passed = request(
        new URL(path, target),
        { method, headers: { ...headers, host: target.host }, agent: false },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
          answer.pipe(outgoing)
          void bodyOf(answer).then((answered) =>
            exchanges.push({ method, target: url, asked, answered }),
          )
        },
      )
      passed.on('error', () => outgoing.destroy())
      passed.end(asked)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges,
    close: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  message.on('data', (piece: Buffer) => pieces.push(piece))
  await new Promise((ended) => message.on('end', ended))
  return Buffer.concat(pieces)
}
