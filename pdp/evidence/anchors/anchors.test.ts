import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { checkpointText, openCheckpoint } from '../checkpoint.ts'
import type { SignedCheckpoint } from '../log-store.ts'
import { rootOf } from '../merkle/range.ts'
import { formatNote, splitNotes, verifyNote } from '../note.ts'
import { createMemoryStore, type MemoryStore, testKey, testLeaf } from '../testing.ts'
import { type Anchor, createAnchor } from './anchor.ts'
import { fileAnchor } from './file.ts'
import { anchorConfig, openAnchor } from './open.ts'
import { startWitness, type TestWitness } from './testing-witness.ts'
import { urlAnchor } from './url.ts'
import { witnessAnchor } from './witness.ts'

const origin = 'example.com/log'
const key = testKey(origin)
const every_ms = 0
const told: unknown[][] = []
const log = (...args: unknown[]): void => void told.push(args)
let open: { readonly close: () => Promise<void> }[] = []
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anchors-'))
  told.length = 0
})
afterEach(async () => {
  for (const one of open.toReversed()) await one.close()
  open = []
  await rm(folder, { recursive: true })
})
function kept<T extends { readonly close: () => Promise<void> }>(one: T): T {
  open.push(one)
  return one
}

let seq = 0
/** Grows the log and signs its head. */
async function signed(store: MemoryStore, count: number): Promise<SignedCheckpoint> {
  await store.append(Array.from({ length: count }, () => testLeaf(seq++)))
  const { size, range } = await store.head()
  const root = rootOf(range)
  const text = checkpointText({ origin, size, root })
  const checkpoint = { size, root, note: formatNote(text, [key.line(text)]), at_ms: Date.now() }
  await store.checkpoints.add(checkpoint)
  return checkpoint
}
const settled = (anchor: Anchor, delivered: number): Promise<void> =>
  vi.waitFor(() => expect(anchor.status()).toMatchObject({ delivered }), { timeout: 5000 })

describe('every anchor', () => {
  test('takes only the newest while one is under way, and holds nobody up', async () => {
    const store = createMemoryStore()
    const arrived: number[] = []
    const releases: (() => void)[] = []
    const anchor = kept(
      createAnchor({
        name: 'slow',
        kind: 'url',
        every_ms,
        log,
        deliver: async ({ size }) => {
          await new Promise<void>((resolve) => releases.push(resolve))
          arrived.push(size)
        },
      }),
    )
    for (let n = 0; n < 50; n += 1) anchor.offer(await signed(store, 1))
    await vi.waitFor(() => expect(releases).toHaveLength(1), { timeout: 10_000 })
    expect(anchor.status()).toMatchObject({ delivered: 0, waiting: 50 })
    releases[0]!()
    await vi.waitFor(() => expect(releases).toHaveLength(2), { timeout: 10_000 })
    releases[1]!()
    await settled(anchor, 2)
    expect(arrived).toEqual([1, 50])
  })

  test('tries again after a failure, with the newest by then, and says what is wrong meanwhile', async () => {
    const store = createMemoryStore()
    let works = false
    const counts: string[] = []
    const arrived: number[] = []
    const anchor = kept(
      createAnchor({
        name: 'flaky',
        kind: 'url',
        every_ms,
        log,
        backoff_ms: 5,
        count: (_, result) => counts.push(result),
        deliver: ({ size }) => {
          arrived.push(size)
          return works ? Promise.resolve() : Promise.reject(new Error('away'))
        },
      }),
    )
    anchor.offer(await signed(store, 1))
    await vi.waitFor(() => expect(anchor.status().failed).toBeGreaterThan(1), { timeout: 10_000 })
    expect(anchor.status()).toMatchObject({ problem: 'away', waiting: 1, delivered: 0 })
    anchor.offer(await signed(store, 1))
    works = true
    await settled(anchor, 1)
    expect(arrived.at(-1)).toBe(2)
    expect(anchor.status()).toMatchObject({ size: 2 })
    expect(anchor.status().problem).toBeUndefined()
    expect(counts.at(-1)).toBe('delivered')
    // One line when it begins, one when it ends.
    expect(told.map(([, event]) => event)).toEqual([
      'evidence.anchor_failed',
      'evidence.anchor_recovered',
    ])
  })

  test('delivers what waits when it is closed, and gives up one that hangs', async () => {
    const store = createMemoryStore()
    const arrived: number[] = []
    const anchor = createAnchor({
      name: 'hourly',
      kind: 'file',
      every_ms: 3_600_000,
      log,
      deliver: ({ size }, signal) => {
        arrived.push(size)
        return size < 2
          ? Promise.resolve()
          : new Promise((_, reject) =>
              signal.addEventListener('abort', () => reject(new Error('aborted'))),
            )
      },
    })
    anchor.offer(await signed(store, 1))
    await settled(anchor, 1)
    anchor.offer(await signed(store, 1))
    await sleep(20)
    expect(arrived).toEqual([1])
    await anchor.close()
    expect(arrived).toEqual([1, 2])
    anchor.offer(await signed(store, 1))
    expect(anchor.status().problem).toBe('aborted')
  })
})

test('a file gets each checkpoint appended, and one that a crash cut spoils no other', async () => {
  const store = createMemoryStore()
  const path = join(folder, 'deep', 'checkpoints')
  const anchor = kept(fileAnchor({ name: 'file', path, every_ms, log }))
  const first = await signed(store, 3)
  anchor.offer(first)
  await settled(anchor, 1)
  await appendFile(path, `\n\n${first.note.slice(0, 30)}`)
  const second = await signed(store, 3)
  anchor.offer(second)
  await settled(anchor, 2)
  const notes = splitNotes(await readFile(path, 'utf8'))
  expect(notes).toEqual([first.note, first.note.slice(0, 30), second.note])
  expect((await stat(path)).mode & 0o777 & ~0o640).toBe(0)
})

describe('a URL', () => {
  let server: Server
  let url: URL
  let status = 200
  let got: { body: string; authorization: string | undefined }[] = []
  beforeEach(async () => {
    ;[status, got] = [200, []]
    server = createServer((request, response) => {
      void text(request).then((body) => {
        got.push({ body, authorization: request.headers.authorization })
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/anchor`)
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  test('is sent the note, with the token', async () => {
    const checkpoint = await signed(createMemoryStore(), 3)
    const anchor = kept(
      urlAnchor({ name: 'url', url, token: () => Promise.resolve('t'), every_ms, log }),
    )
    anchor.offer(checkpoint)
    await settled(anchor, 1)
    expect(got).toEqual([{ body: checkpoint.note, authorization: 'Bearer t' }])
  })

  test.each([302, 401, 500])(
    'that answers %i has not taken it, and is sent it again',
    async (answer) => {
      status = answer
      const anchor = kept(urlAnchor({ name: 'url', url, every_ms, log, backoff_ms: 5 }))
      anchor.offer(await signed(createMemoryStore(), 3))
      await vi.waitFor(() => expect(anchor.status().failed).toBeGreaterThan(1), { timeout: 10_000 })
      status = 204
      await settled(anchor, 1)
    },
  )
})

describe('a witness', () => {
  let witness: TestWitness
  let store: MemoryStore
  beforeEach(async () => {
    witness = kept(await startWitness([key.key]))
    store = createMemoryStore()
  })
  const anchored = (of: MemoryStore = store): Anchor =>
    kept(
      witnessAnchor({
        name: 'w1',
        url: witness.url,
        key: witness.key.key,
        store: of,
        every_ms,
        log,
        backoff_ms: 5,
      }),
    )

  test('cosigns one checkpoint after the other, and its cosignature is kept with each', async () => {
    const anchor = anchored()
    for (const [n, count] of [3, 300, 1, 700].entries()) {
      anchor.offer(await signed(store, count))
      await settled(anchor, n + 1)
    }
    expect(witness.statuses).toEqual([200, 200, 200, 200])
    for (const { note } of store.rows.checkpoints) {
      expect(openCheckpoint(note, [key.key], origin).ok).toBe(true)
      const by = verifyNote(note, [witness.key.key])
      expect(by.ok && by.value.by[0]?.time_s).toBeGreaterThan(1_700_000_000)
    }
  })

  test('that already knows more than we remember tells its size, and gets the proof from there', async () => {
    const first = anchored()
    first.offer(await signed(store, 5))
    await settled(first, 1)
    const second = anchored()
    second.offer(await signed(store, 5))
    await settled(second, 1)
    expect(witness.statuses).toEqual([200, 409, 200])
    expect(witness.seen.get(origin)?.size).toBe(10)
  })

  test('that another process was faster with is not asked for an older one', async () => {
    const older = await signed(store, 5)
    const first = anchored()
    first.offer(await signed(store, 5))
    await settled(first, 1)
    const second = anchored()
    second.offer(older)
    await settled(second, 1)
    expect(witness.statuses).toEqual([200, 409])
    expect(told).toEqual([])
  })

  test('shows a roll-back that this machine cannot see any more', async () => {
    await signed(store, 5)
    const backup = store.copy()
    const first = anchored()
    first.offer(await signed(store, 5))
    await settled(first, 1)
    const second = anchored(backup)
    second.offer(await signed(backup, 1))
    await vi.waitFor(() => expect(second.status().problem).toContain('rolled_back'), {
      timeout: 10_000,
    })
    expect(told.map(([level, event]) => [level, event])).toContainEqual([
      'error',
      'evidence.rolled_back',
    ])
  })

  test.each([
    ['of the same size', 5],
    ['that is larger', 8],
  ])('shows a fork %s', async (_, count) => {
    await signed(store, 5)
    const backup = store.copy()
    const first = anchored()
    first.offer(await signed(store, 5))
    await settled(first, 1)
    const second = anchored(backup)
    second.offer(await signed(backup, count))
    await vi.waitFor(() => expect(second.status().problem).toContain('forked'), { timeout: 10_000 })
    expect(told.map(([level, event]) => [level, event])).toContainEqual([
      'error',
      'evidence.forked',
    ])
    expect(backup.rows.checkpoints.at(-1)?.note).not.toContain('witness')
  })

  test.each([
    [
      'a cosignature of something else',
      () => ({ status: 200, text: `${witness.key.line('else\n', 5)}\n` }),
    ],
    [
      'a cosignature of the future',
      () => {
        const parsed = store.rows.checkpoints.at(-1)!.note.split('\n\n')[0]
        return { status: 200, text: `${witness.key.line(`${parsed}\n`, 99_999_999_999)}\n` }
      },
    ],
    ['nothing', () => ({ status: 200, text: '' })],
    ['another key', (right: string) => ({ status: 200, text: right.replace('witness', 'other') })],
    ['that it is broken', () => ({ status: 500, text: '' })],
  ])('whose answer is %s has not cosigned', async (_, answer) => {
    witness.answer = answer
    const anchor = anchored()
    anchor.offer(await signed(store, 3))
    await vi.waitFor(() => expect(anchor.status().failed).toBeGreaterThan(0), { timeout: 10_000 })
    expect(store.rows.checkpoints.at(-1)?.note).not.toContain('witness')
    expect(anchor.status().delivered).toBe(0)
  })
})

describe('configuration', () => {
  const parts = { store: createMemoryStore(), env: {}, log }
  test('makes an anchor of each kind', () => {
    const witness = testKey('w', 4).key.vkey
    for (const [value, kind] of [
      [{ file: '/somewhere' }, 'file'],
      [{ url: 'https://example.com/x', token: { env: 'T' }, every_s: 5 }, 'url'],
      [{ witness: 'https://example.com/w', public_key: witness }, 'witness'],
    ] as const) {
      const anchor = openAnchor(anchorConfig.parse(value), parts)
      expect(anchor.ok && anchor.value.status().kind).toBe(kind)
    }
  })

  test('with a key that is none of a witness, or of two kinds at once, is refused', () => {
    const config = anchorConfig.parse({
      witness: 'https://example.com/w',
      public_key: key.key.vkey,
    })
    expect(openAnchor(config, parts).ok).toBe(false)
    expect(anchorConfig.safeParse({ file: 'x', url: 'https://example.com' }).success).toBe(false)
    expect(anchorConfig.safeParse({ url: 'ftp://example.com' }).success).toBe(false)
  })
})
