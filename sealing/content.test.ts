import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { pack } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { type JournalRecord, sealedRecord, type SealedRecord } from '../pdp/contract/record.ts'
import { openRecord } from './content.ts'
import type { ContentKey } from './envelope.ts'
import { testIntent, testOutcome, testSealer, unwrapped } from './testing.ts'

const words = (seed: number, bytes: number): Buffer => {
  const out = Buffer.alloc(bytes)
  let state = seed + 1
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    out[at] = 97 + ((state >>> 16) % 26)
  }
  return out
}

const body = fc
  .record({ seed: fc.nat(3), bytes: fc.oneof(fc.nat(200), fc.nat(40_000), fc.nat(600_000)) })
  .map(({ seed, bytes }) => words(seed, bytes))
const cuts = fc
  .uniqueArray(fc.nat(700_000), { maxLength: 30 })
  .map((offsets) => offsets.sort((a, b) => a - b))
const counts = fc.dictionary(fc.constantFrom('email', 'ssn'), fc.nat(9))
const direction = fc.constantFrom('sent', 'forwarded', 'received', 'delivered')

const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc
    .record(
      { body, forwarded: body, cuts, forwarded_cuts: cuts, target: fc.string() },
      { requiredKeys: [] },
    )
    .map((exchange) => testIntent({ exchange: { ...exchange, body_bytes: 1 } })),
  fc
    .record({ refused: fc.string(), parent_id: fc.string() }, { requiredKeys: [] })
    .map((more) => ({ ...testIntent(), ...more, kind: 'decision' as const })),
  fc.record({ direction, body, offset: fc.nat(), at: fc.nat() }).map(({ at, ...more }) => ({
    kind: 'chunk' as const,
    operation_id: 'op-1',
    time_ms: at,
    session_id: 's-1',
    connection: 'claude',
    pieces: [[at, more.body.length] as [number, number]],
    ...more,
  })),
  fc
    .record(
      {
        status: fc.nat(599),
        reason: fc.string(),
        masked: counts,
        observed: counts,
        rest: fc.array(
          fc.record({
            direction,
            offset: fc.nat(),
            pieces: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 3 }),
            body,
          }),
          { maxLength: 2 },
        ),
        truncated: fc.array(fc.record({ direction, limit_bytes: fc.nat() })),
      },
      { requiredKeys: ['masked', 'observed'] },
    )
    .map((more) => testOutcome(more)),
)

/** As it is after its way. */
function kept(one: JournalRecord): unknown {
  if (one.kind !== 'intent' && one.kind !== 'decision') return bare(one)
  const { cuts: _, forwarded_cuts: __, ...exchange } = one.exchange
  return bare({ ...one, exchange })
}

/** Buffers and arrays of bytes are the same; what is absent is absent. */
function bare(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, bare(inner)]))
}

/** Seals records in order and opens each with what came before. */
async function throughAll(records: readonly JournalRecord[]) {
  const sealer = await testSealer()
  const keys = new Map<string, ContentKey>()
  const blocks = new Map<string, Uint8Array>()
  const opened: unknown[] = []
  const sealed: SealedRecord[] = []
  for (const one of records) {
    const made = sealer.seal(one)
    if (made.key) keys.set(made.key.id, await unwrapped(made.key))
    const parsed = sealedRecord.parse(made.record)
    for (const block of parsed.content?.blocks ?? []) blocks.set(block.id, block.sealed)
    const key = keys.get(parsed.content?.key ?? '')
    if (!key) throw new Error('there is no key')
    const read = (id: string) => Promise.resolve(blocks.get(id))
    const result = await openRecord(
      { ...parsed, ...(parsed.content && { content: { ...parsed.content, blocks: [] } }) },
      key,
      read,
    )
    opened.push(result.ok ? bare(result.value) : result.error)
    sealed.push(parsed)
  }
  return { opened, sealed, keys }
}

describe('a sealed record', () => {
  test('opens to what was sealed, whatever it holds and wherever its body is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 4 }), async (records) => {
        const { opened } = await throughAll(records)
        expect(opened).toEqual(records.map(kept))
      }),
      { numRuns: 60 },
    )
  })

  test('with any bit flipped does not open', async () => {
    const sealer = await testSealer()
    const { record: whole, key: wrapped } = sealer.seal(
      testIntent({ exchange: { body_bytes: 5000, body: words(1, 5000) } }),
    )
    const { content } = whole
    if (!content || !wrapped) throw new Error('it is not sealed')
    const key = await unwrapped(wrapped)
    const none = () => Promise.resolve(undefined)
    expect((await openRecord(whole, key, none)).ok).toBe(true)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('sealed' as const, 'block' as const),
        fc.nat(),
        fc.nat(7),
        async (where, at, bit) => {
          const flipped = (bytes: Uint8Array): Uint8Array => {
            const copy = Uint8Array.from(bytes)
            const place = at % copy.length
            copy[place] = (copy[place] ?? 0) ^ (1 << bit)
            return copy
          }
          const spoilt =
            where === 'sealed'
              ? { ...content, sealed: flipped(content.sealed) }
              : {
                  ...content,
                  blocks: content.blocks.map(({ id, sealed }) => ({ id, sealed: flipped(sealed) })),
                }
          expect((await openRecord({ ...whole, content: spoilt }, key, none)).ok).toBe(false)
        },
      ),
    )
  })

  test('opens only with its own key, commitment, step and blocks', async () => {
    const sealer = await testSealer()
    const first = sealer.seal(testIntent({ exchange: { body_bytes: 5000, body: words(1, 5000) } }))
    const second = sealer.seal(testOutcome())
    const other = (await testSealer()).seal(testIntent())
    if (!first.key || !other.key || !first.record.content || !second.record.content)
      throw new Error('it is not sealed')
    const key = await unwrapped(first.key)
    const none = () => Promise.resolve(undefined)
    const { content } = first.record
    const failing: readonly [SealedRecord, ContentKey, string][] = [
      [first.record, await unwrapped(other.key), 'it is sealed under key'],
      [first.record, { ...(await unwrapped(other.key)), id: key.id }, 'under another key'],
      [
        { ...first.record, content: { ...content, commitment: second.record.content.commitment } },
        key,
        'not what was committed to',
      ],
      [{ ...second.record, content }, key, 'the content of another step'],
      [{ ...first.record, content: { ...content, blocks: [] } }, key, 'is not there'],
      [{ v: 2, step: first.record.step }, key, 'its content is not there'],
    ]
    for (const [sealed, with_key, why] of failing) {
      const result = await openRecord(sealed, with_key, none)
      expect(result).toMatchObject({ ok: false, error: expect.stringContaining(why) })
    }
  })

  test('does not open as the block of another id', async () => {
    const sealer = await testSealer()
    const bodies = [words(1, 5000), words(2, 5000)].map((bytes) =>
      sealer.seal(testIntent({ exchange: { body_bytes: 5000, body: bytes } })),
    )
    const [first, second] = bodies
    const [swapped] = second?.record.content?.blocks ?? []
    const [own] = first?.record.content?.blocks ?? []
    if (!first?.key || !first.record.content || !swapped || !own) throw new Error('no blocks')
    const content = { ...first.record.content, blocks: [{ id: own.id, sealed: swapped.sealed }] }
    const result = await openRecord({ ...first.record, content }, await unwrapped(first.key), () =>
      Promise.resolve(undefined),
    )
    expect(result.ok).toBe(false)
  })

  test('an event is plain, and what has no JSON is left out', async () => {
    const sealer = await testSealer()
    const event = { kind: 'event' as const, time_ms: 1, name: 'pep.started' }
    const { record: sealed, key } = sealer.seal({ ...event, detail: { after: undefined, lost: 1 } })
    expect([sealed, key]).toEqual([{ v: 2, step: { ...event, detail: { lost: 1 } } }, undefined])
  })
})

describe('blocks', () => {
  const blocksOf = (sealed: SealedRecord | undefined) => sealed?.content?.blocks ?? []

  test('the same body twice is sent once, in both directions', async () => {
    const bytes = words(1, 300_000)
    const chunk = {
      kind: 'chunk' as const,
      operation_id: 'op-1',
      time_ms: 1,
      session_id: 's-1',
      connection: 'claude',
      offset: 0,
      pieces: [[1, bytes.length]] as [number, number][],
      body: bytes,
    }
    const { sealed } = await throughAll([
      testIntent({ exchange: { body_bytes: 1, body: bytes } }),
      testIntent({ exchange: { body_bytes: 1, body: bytes, forwarded: bytes } }),
      { ...chunk, direction: 'received' },
      { ...chunk, direction: 'delivered' },
    ])
    expect(sealed.map((one) => blocksOf(one).length)).toEqual([2, 0, 0, 0])
  })

  test('a turn that repeats 99 messages seals only what is new', async () => {
    const turn = (messages: number) => {
      const pieces = Array.from({ length: messages }, (_, at) => words(at, 5000 + at))
      const ends: number[] = []
      let end = 0
      for (const piece of pieces) ends.push((end += piece.length))
      const bytes = Buffer.concat([...pieces, Buffer.from(']}')])
      return testIntent({ exchange: { body_bytes: bytes.length, body: bytes, cuts: ends } })
    }
    const { sealed } = await throughAll([turn(99), turn(100)])
    expect(sealed.map((one) => blocksOf(one).length)).toEqual([99, 1])
    expect(pack(sealed[1]).length).toBeLessThan(20_000)
  })

  test('another session, another key: the same block has another name and is sent', async () => {
    const sealer = await testSealer()
    const intent = testIntent({ exchange: { body_bytes: 1, body: words(1, 5000) } })
    const elsewhere = structuredClone(intent)
    elsewhere.request.context.session.id = 's-2'
    const [first, again, second] = [intent, intent, elsewhere].map((one) => sealer.seal(one))
    expect(again?.key).toBeUndefined()
    expect(blocksOf(again?.record)).toEqual([])
    expect(blocksOf(second?.record)[0]?.id).not.toBe(blocksOf(first?.record)[0]?.id)
  })

  test('after `forget` keys are new and blocks are sent again', async () => {
    const sealer = await testSealer()
    const intent = testIntent({ exchange: { body_bytes: 1, body: words(1, 5000) } })
    const first = sealer.seal(intent)
    sealer.forget()
    const again = sealer.seal(intent)
    expect(again.key?.id).not.toBe(first.key?.id)
    expect(blocksOf(again.record)).toHaveLength(1)
  })

  test('no block is sent twice under one key: past the memory for them keys are new', async () => {
    const sealer = await testSealer({ max_blocks: 2 })
    const sent = new Set<string>()
    for (const seed of [1, 2, 1, 3, 1, 2, 2, 1]) {
      const body = words(seed, 5000)
      const { record } = sealer.seal(testIntent({ exchange: { body_bytes: 1, body } }))
      for (const { id } of blocksOf(record)) {
        expect(sent).not.toContain(id)
        sent.add(id)
      }
    }
    expect(sent.size).toBeGreaterThan(3)
  })
})

test('a planted number is in nothing that is kept but under seal', async () => {
  const secret = '078051120'
  const long = Buffer.concat([randomBytes(6000), Buffer.from(secret), randomBytes(6000)])
  const intent = testIntent({
    exchange: {
      body_bytes: 1,
      target: `/people/${secret}`,
      headers: [['x-ssn', secret]],
      body: Buffer.from(`{"ssn":"${secret}"}`),
      forwarded: long,
    },
  })
  intent.request.resource.id = secret
  intent.request.context.session.label = secret
  intent.request.context.facts.paths = { '$.ssn': [secret] }
  intent.request.subject.properties.claims = { ssn: secret }
  intent.decision.reasons = [{ rule: 'a_rule', message: `found ${secret}` }]
  const sealer = await testSealer()
  const sealed = [
    intent,
    { ...intent, kind: 'decision' as const, refused: 'denied' },
    testOutcome({ reason: secret, headers: [['x-ssn', secret]] }),
    {
      kind: 'chunk' as const,
      operation_id: 'op-1',
      time_ms: 1,
      session_id: 's-1',
      connection: 'claude',
      direction: 'received' as const,
      offset: 0,
      pieces: [[1, 9]] as [number, number][],
      body: Buffer.from(secret),
    },
  ].map((one) => sealer.seal(one))
  const bytes = pack(sealed)
  for (const form of [secret, Buffer.from(secret).toString('base64').slice(0, 11)])
    expect(bytes.includes(form)).toBe(false)
  expect(bytes.includes('op-1')).toBe(true)
})
