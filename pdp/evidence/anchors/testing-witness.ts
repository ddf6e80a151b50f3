import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { openCheckpoint } from '../checkpoint.ts'
import { sameHash } from '../merkle/hash.ts'
import { isConsistent } from '../merkle/verify.ts'
import { COSIGNATURE, parseNote, type VerifierKey } from '../note.ts'
import { type TestKey, testKey } from '../testing.ts'

export type TestWitness = {
  readonly url: URL
  readonly key: TestKey
  /** What it cosigned last, by the log's name. */
  readonly seen: Map<string, { size: number; root: Uint8Array }>
  /** Requests by the status that they got. */
  readonly statuses: number[]
  /** Set to answer something else than what is right. */
  answer: ((right: string) => { readonly status: number; readonly text: string }) | undefined
  readonly close: () => Promise<void>
}

type Reply = { readonly status: number; readonly text: string; readonly type?: string }

/** A witness on loopback that does what C2SP tlog-witness says: checks signature and consistency, remembers, cosigns. */
export async function startWitness(
  logs: readonly VerifierKey[],
  now: () => number = Date.now,
): Promise<TestWitness> {
  const key = testKey('witness.example.com/w1', COSIGNATURE)
  const seen: TestWitness['seen'] = new Map()
  const statuses: number[] = []

  function cosign(body: string): Reply {
    const blank = body.indexOf('\n\n')
    const [oldLine = '', ...lines] = body.slice(0, blank).split('\n')
    const note = body.slice(blank + 2)
    const [, digits] = /^old (0|[1-9]\d*)$/.exec(oldLine) ?? []
    if (digits === undefined || lines.length > 63) return { status: 400, text: 'malformed' }
    const checkpoint = openCheckpoint(note, logs)
    if (!checkpoint.ok) return { status: 403, text: checkpoint.error }
    const { origin, size, root } = checkpoint.value
    const old = Number(digits)
    if (old > size) return { status: 400, text: 'old is larger' }
    const last = seen.get(origin)
    const known: Reply = { status: 409, text: `${last?.size ?? 0}\n`, type: 'text/x.tlog.size' }
    if (old !== (last?.size ?? 0)) return known
    if (last && old === size && !sameHash(last.root, root)) return known
    const proof = lines.map((line) => Buffer.from(line, 'base64'))
    const fits = last
      ? isConsistent({ first: last, second: { size, root }, proof })
      : proof.length === 0
    if (!fits) return { status: 422, text: 'inconsistent' }
    seen.set(origin, { size, root })
    const parsed = parseNote(note)
    return parsed.ok
      ? { status: 200, text: `${key.line(parsed.value.text, Math.floor(now() / 1000))}\n` }
      : { status: 400, text: parsed.error }
  }

  const witness: TestWitness = {
    url: new URL('http://127.0.0.1'),
    key,
    seen,
    statuses,
    answer: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const right: Reply =
        request.method === 'POST' && request.url === '/prefix/add-checkpoint'
          ? cosign(body)
          : { status: 404, text: '' }
      const {
        status,
        text,
        type = 'text/plain',
      }: Reply = witness.answer ? witness.answer(right.text) : right
      statuses.push(status)
      response.writeHead(status, { 'content-type': type }).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(witness, { url: new URL(`http://127.0.0.1:${port}/prefix`) })
}
