import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { compileMask } from '../mask/mask.ts'
import { PepError } from './errors.ts'
import type { Chunk, Outcome } from './permit.ts'
import { Recording, type RecordingParts } from './recording.ts'

const KEY = 'upstream-key-of-this-test'
const keys = {
  hash: new Uint8Array(32),
  token: new Uint8Array(32),
  restore: { seal: () => '', open: () => undefined },
}
const redact = () => compileMask([], { customs: [], literals: [KEY], keys }).literalBytes()

type Mode = RecordingParts['permit']['enforcement']['record_body']
const end = { result: 'completed', status: 200, masked: {}, observed: {} } as const

/** A permit that remembers, in order, what it was told to record; what comes with the outcome as the chunk it stands for. */
function started(mode: Mode, more: Partial<RecordingParts> = {}) {
  const chunks: Chunk[] = []
  const events: string[] = []
  const it = {
    chunks,
    events,
    outcome: undefined as Outcome | undefined,
    accepting: true,
    /** How something is recorded. */
    append: (): Promise<void> => Promise.resolve(),
  }
  const permit: RecordingParts['permit'] = {
    enforcement: {
      mask_request: [],
      mask_response: [],
      restore_input: false,
      record_body: mode,
      limit: {},
    },
    accepting: () => it.accepting,
    chunk(chunk) {
      chunks.push(chunk)
      events.push(chunk.direction)
      return it.append()
    },
    close(outcome) {
      events.push('outcome')
      chunks.push(...(outcome.rest ?? []))
      it.outcome = outcome
      return it.append()
    },
  }
  const recording = new Recording({
    permit,
    redact: redact(),
    altering: true,
    limit_bytes: 1e9,
    now: Date.now,
    ...more,
  })
  return { it, recording }
}

const bodyOf = (chunks: readonly Chunk[], direction: Chunk['direction']): Buffer => {
  const own = chunks.filter((chunk) => chunk.direction === direction)
  let at = 0
  for (const { offset, body, pieces } of own) {
    expect(offset).toBe(at)
    expect(pieces.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(body?.length)
    at += body?.length ?? 0
  }
  return Buffer.concat(own.map(({ body }) => body ?? Buffer.alloc(0)))
}

afterEach(() => {
  vi.useRealTimers()
})

describe('an answer on record', () => {
  test('is whole and in order however it comes, and never holds the credential', async () => {
    const parts = fc.array(fc.oneof(fc.string(), fc.constant(KEY), fc.constant('x'.repeat(20_000))))
    await fc.assert(
      fc.asyncProperty(parts, fc.integer({ min: 1, max: 50_000 }), async (texts, step) => {
        const whole = Buffer.from(texts.join(''))
        const { it, recording } = started('full')
        for (let at = 0; at < whole.length; at += step) {
          recording.received(whole.subarray(at, at + step))
          recording.delivered(whole.subarray(at, at + step))
        }
        await recording.close(end)
        expect(bodyOf(it.chunks, 'delivered')).toEqual(whole)
        expect(bodyOf(it.chunks, 'received').toString()).toBe(
          whole.toString().replaceAll(KEY, '[REDACTED:credential]'),
        )
        expect(it.outcome).toMatchObject({ bytes_in: whole.length, bytes_out: whole.length })
        expect(it.outcome).not.toHaveProperty('truncated')
        expect(it.events.at(-1)).toBe('outcome')
      }),
      { numRuns: 50 },
    )
  })

  test.each([
    ['full', true, ['received', 'delivered']],
    ['full', false, ['delivered']],
    ['masked', true, ['delivered']],
    ['metadata', true, []],
  ] as const)('%s, altering %s: %s, in one record', async (mode, altering, directions) => {
    const { it, recording } = started(mode, { altering })
    recording.received(Buffer.from('a'))
    recording.delivered(Buffer.from('b'))
    await recording.close(end)
    expect(it.chunks.map(({ direction }) => direction)).toEqual(directions)
    expect(it.events).toEqual(['outcome'])
    expect(it.outcome).toMatchObject({ bytes_in: 1, bytes_out: 1 })
  })

  test('goes out in chunks of 32 KiB or after a second, with the time of each piece', async () => {
    vi.useFakeTimers({ now: 1000 })
    const { it, recording } = started('masked')
    recording.delivered(Buffer.alloc(10))
    vi.advanceTimersByTime(400)
    recording.delivered(Buffer.alloc(5))
    recording.delivered(Buffer.alloc(5))
    expect(it.chunks).toEqual([])
    vi.advanceTimersByTime(600)
    expect(it.chunks).toMatchObject([
      {
        offset: 0,
        pieces: [
          [1000, 10],
          [1400, 10],
        ],
      },
    ])
    recording.delivered(Buffer.alloc(32 * 1024))
    expect(it.chunks).toHaveLength(2)
    expect(it.chunks[1]).toMatchObject({ offset: 20 })
    await recording.close(end)
    expect(it.chunks).toHaveLength(2)
  })

  test('past its limit is cut, and the outcome says where', async () => {
    const { it, recording } = started('full', { limit_bytes: 50_000 })
    for (let n = 0; n < 10; n += 1) recording.received(Buffer.alloc(9000, 97))
    recording.delivered(Buffer.alloc(50_000))
    await recording.close(end)
    expect(bodyOf(it.chunks, 'received')).toHaveLength(50_000)
    expect(it.outcome).toMatchObject({
      bytes_in: 90_000,
      truncated: [{ direction: 'received', limit_bytes: 50_000 }],
    })
  })

  test('while the backlog takes no bodies is cut there for good, and the outcome is still recorded', async () => {
    const { it, recording } = started('masked')
    recording.delivered(Buffer.alloc(40_000))
    it.accepting = false
    recording.delivered(Buffer.alloc(40_000))
    it.accepting = true
    recording.delivered(Buffer.alloc(40_000))
    await recording.close(end)
    expect(bodyOf(it.chunks, 'delivered')).toHaveLength(40_000)
    expect(it.outcome).toMatchObject({
      result: 'completed',
      bytes_out: 120_000,
      truncated: [{ direction: 'delivered', limit_bytes: 40_000 }],
    })
  })

  test('of which a part cannot be recorded does not end well, on record or for the client', async () => {
    const { it, recording } = started('masked')
    it.append = () => Promise.reject(new PepError('PEP_JOURNAL', 'disk full'))
    recording.delivered(Buffer.alloc(40_000))
    await sleep(1)
    await expect(recording.close(end)).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
    expect(it.outcome).toMatchObject({ result: 'cut' })
    const late = started('masked')
    late.it.append = () => Promise.reject(new PepError('PEP_JOURNAL', 'disk full'))
    late.recording.delivered(Buffer.alloc(10))
    await expect(late.recording.close(end)).rejects.toMatchObject({ code: 'PEP_JOURNAL' })
  })

  test('waits for the disk once a megabyte is on its way there', async () => {
    const written = Promise.withResolvers<void>()
    const { it, recording } = started('masked')
    it.append = () => written.promise
    recording.delivered(Buffer.alloc(1024 * 1024))
    expect(recording.room()).toBeUndefined()
    recording.delivered(Buffer.alloc(64 * 1024))
    const room = recording.room()
    expect(room).toBeInstanceOf(Promise)
    written.resolve()
    await room
    expect(recording.room()).toBeUndefined()
    await recording.close(end)
  })

  test('is closed once, and nothing that comes later is recorded', async () => {
    const { it, recording } = started('masked')
    recording.delivered(Buffer.from('a'))
    await Promise.all([recording.close(end), recording.close({ ...end, result: 'failed' })])
    recording.delivered(Buffer.from('b'))
    await recording.close(end)
    expect(it.chunks).toMatchObject([{ body: Buffer.from('a') }])
    expect(it.events).toEqual(['outcome'])
    expect(it.outcome?.result).toBe('completed')
  })
})
