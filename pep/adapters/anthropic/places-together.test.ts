import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { examples, places, split } from '../../mask/testing.ts'
import type { ReplyParts } from './reply.ts'
import { play, read, text } from './testing.ts'
import { leakOf, type Place, releasing, seenInStream, streamPlaces } from './testing-places.ts'

/** Several examples in one text, in each place: what stands around one may stay, and may look like a piece of another. */

type Example = (typeof examples)[number]
type Placed = readonly [example: Example, place: Place, cuts: readonly number[]]

const altering = releasing()

/** Stands for a value where only what is around it counts; brackets end every run. */
const HOLE = '[]'

const sentences = (some: readonly Pick<Example, 'before' | 'value' | 'after'>[]): string =>
  some.map(({ before, value, after }) => `Say${before}${value}${after}now.`).join(' | ')

/**
 * @param placed each place gets the text with all of the examples, cut at its cuts, then as bytes at `cuts`.
 * @returns the first part of an example that is seen where it must not be.
 */
async function leakAmong(
  parts: ReplyParts,
  placed: readonly Placed[],
  cuts: readonly number[] = [],
): Promise<string | undefined> {
  const said = sentences(placed.map(([example]) => example))
  const holes = sentences(placed.map(([example]) => ({ ...example, value: HOLE })))
  for (const [{ value }, { reply: replyOf, written = (whole: string) => whole }, at] of placed) {
    const reply = replyOf(split(written(said), at))
    const ends = [...new Set(cuts.map((cut) => cut % reply.length))].sort((a, b) => a - b)
    const bytes = [...ends, reply.length].map((to, k) => reply.subarray(ends[k - 1] ?? 0, to))
    const { out } = await play(parts, bytes)
    const around = seenInStream(replyOf([written(holes)]))
    const leak = leakOf(value, seenInStream(out), around)
    if (leak !== undefined) return leak
  }
  return undefined
}

test('several secrets in several places at random splits of text and of bytes leave nothing', async () => {
  const some = fc.array(
    fc.tuple(fc.constantFrom(...examples), fc.constantFrom(...streamPlaces), places),
    { minLength: 1, maxLength: 3 },
  )
  await fc.assert(
    fc.asyncProperty(some, places, async (placed, cuts) => {
      expect(await leakAmong(altering, placed, cuts)).toBeUndefined()
    }),
    { numRuns: 300 },
  )
})

/** Three examples of credentials stand before a host that ends as the address does, and is no secret. */
const hosts = examples.filter(({ after }) => after.includes('example.com'))
const addresses = examples.filter(({ value }) => value === 'ada@example.com')

test('a host behind credentials stays, and is no piece of the address beside it', async () => {
  const said = 'Mail ada@example.com, see https://x:p@ss:w0rd@example.com.'
  const { out } = await play(altering, [streamPlaces[0]?.reply([said]) ?? Buffer.alloc(0)])
  expect(read(out).content[0]?.['text']).toBe(
    'Mail [REDACTED:email], see https://[REDACTED:url_credentials]@example.com.',
  )
  expect([addresses.length, hosts.length]).toEqual([1, 3])
  const beside = addresses.flatMap((address) => hosts.map((host) => [address, host]))
  for (const pair of beside) {
    for (const place of streamPlaces) {
      const placed = pair.map((one): Placed => [one, place, []])
      expect(await leakAmong(altering, placed)).toBeUndefined()
    }
  }
})

test.each(hosts.map((host) => [host.before + host.value.slice(0, 8), host] as const))(
  'an example that is not masked is seen, also beside a host that may stay: %s',
  async (_name, host) => {
    const place: Place = { name: 'text', splits: 'every', reply: (pieces) => text(0, pieces) }
    for (const example of examples) {
      const leak = await leakAmong(releasing([]), [
        [example, place, []],
        [host, place, []],
      ])
      expect(leak).toBeDefined()
      expect(example.value.startsWith(leak ?? '')).toBe(true)
    }
  },
)
