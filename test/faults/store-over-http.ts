import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pack, unpack } from 'msgpackr'
import type { PdpClient, PdpError } from '../../pdp/contract/client.ts'
import type { RecordAck, RecordBatch } from '../../pdp/contract/record.ts'
import type { Result } from '../../pdp/contract/result.ts'
import { createMemoryStore, type MemoryStore } from '../../pep/journal/testing.ts'

/** The contract's store in this process, for journals of other processes: it outlives their ends. */
export async function serveStore(): Promise<{
  readonly store: MemoryStore
  readonly url: string
  readonly close: () => Promise<void>
}> {
  const store = createMemoryStore()
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const batch = unpack(Buffer.concat(chunks)) as RecordBatch
    const call = { signal: AbortSignal.timeout(10_000), deadline_ms: 10_000 }
    response.end(JSON.stringify(await store.append(batch, call)))
  }
  const server = createServer((request, response) => {
    // The sender was killed half-way: nothing is stored.
    answer(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    store,
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The other end, for the process that is killed. */
export function storeClient(url: string): PdpClient {
  return Object.assign(createMemoryStore(), {
    append: async (batch: RecordBatch): Promise<Result<RecordAck, PdpError>> => {
      const answer = await fetch(url, { method: 'POST', body: pack(batch) })
      return (await answer.json()) as Result<RecordAck, PdpError>
    },
  })
}
