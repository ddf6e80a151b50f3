import { expect, test } from 'vitest'
import * as fc from 'fast-check'
import { momentsOf } from './model.ts'
import type { Moment } from './moment.ts'
import { readStep } from './step.ts'
import { type AnsweredStep, each, exampleSession } from './testing.ts'

async function play(steps: readonly AnsweredStep[]): Promise<readonly Moment[]> {
  return Array.fromAsync(momentsOf(each(steps.map(readStep))))
}

const gaps = (moments: readonly Moment[]): readonly string[] =>
  moments.flatMap((moment) => (moment.kind === 'gap' ? [moment.text] : []))

test('what happened is told in the order of time, whatever the order in which it came to the log', async () => {
  const moments = await play(exampleSession())
  const times = moments.map(({ at_ms }) => at_ms)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
  // What came back and what the agent got are interleaved, as they were.
  const first = moments.filter(
    ({ kind, operation_id }) => kind === 'piece' && operation_id === 'op-1',
  )
  const turns = first.map((moment) => (moment.kind === 'piece' ? moment.direction : ''))
  expect(turns.indexOf('delivered')).toBeLessThan(turns.lastIndexOf('received'))
})

test('an operation that waited for people begins before the approval and is decided after it', async () => {
  const moments = await play(exampleSession())
  const story = moments
    .filter(({ operation_id }) => operation_id === 'op-3')
    .map((moment) => (moment.kind === 'approval' ? moment.event : moment.kind))
  expect(story).toEqual([
    'began',
    'demanded',
    'voted',
    'voted',
    'approved',
    'consumed',
    'decided',
    'piece',
    'piece',
    'outcome',
  ])
  expect(
    moments.find((moment) => moment.kind === 'approval' && moment.event === 'approved'),
  ).toMatchObject({
    waited_ms: 64_000,
  })
})

test('what is missing or cannot be read is named', async () => {
  const found = gaps(await play(exampleSession()))
  expect(found).toEqual([
    '12 bytes of what was delivered are not on record',
    expect.stringContaining('cannot be read (erased): its key was deleted'),
    expect.stringContaining('the enforcement point stopped before the end'),
  ])
})

test('a step that is left out, or is there twice, is a gap', async () => {
  const all = exampleSession()
  const without = (kind: string, n: number): readonly AnsweredStep[] => {
    const chosen = all.filter(({ leaf }) => leaf['kind'] === kind)[n]
    return all.filter((step) => step !== chosen)
  }
  const usual = gaps(await play(all))
  const news = async (steps: readonly AnsweredStep[]): Promise<readonly string[]> =>
    gaps(await play(steps)).filter((text) => !usual.includes(text))
  expect(await news(without('outcome', 0))).toEqual(['the record ends before this operation does'])
  expect(await news(without('intent', 0))).toEqual(['how it began is not on record'])
  const chunk = all.find(({ leaf }) => leaf['kind'] === 'chunk')!
  expect(await news(all.flatMap((step) => (step === chunk ? [step, step] : [step])))).toEqual([
    expect.stringMatching(/^\d+ bytes of what was received are there twice$/),
  ])
})

test('a record of an unknown shape is named, and the leaf still tells what it does', async () => {
  const [step] = exampleSession().filter(({ leaf }) => leaf['kind'] === 'intent')
  const moments = await play([{ ...step!, record: { exchange: 'nonsense' } }])
  expect(gaps(moments)).toEqual([
    expect.stringContaining('(damaged): its record has an unknown shape'),
    'the record ends before this operation does',
  ])
  expect(moments[0]).toMatchObject({
    kind: 'began',
    operation: { action: 'anthropic.messages.create' },
    sent: { absent: expect.stringContaining('cannot be read') },
  })
})

test('what is no step at all stops the replay: to leave it out would hide it', () => {
  expect(() => readStep({ index: 'x' })).toThrow('no step')
  expect(() => readStep(null)).toThrow('no step')
})

test('a body comes out whole, however its pieces cover it', async () => {
  const covers = fc.array(fc.tuple(fc.nat(1000), fc.nat(50)), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 80 }), covers, async (text, pieces) => {
      const leaf = {
        kind: 'chunk',
        time_ms: 5,
        operation_id: 'a',
        direction: 'received',
        offset: 0,
      }
      const moments = await play([{ index: 1, leaf, record: { pieces, body: { text } } }])
      const bytes = moments.flatMap((one) => (one.kind === 'piece' ? [one] : []))
      // Times of a journal rise; the order of pieces is theirs.
      if (pieces.every(([ms], n) => n === 0 || ms >= (pieces[n - 1]?.[0] ?? 0)))
        expect(Buffer.concat(bytes.map((one) => one.bytes)).equals(Buffer.from(text))).toBe(true)
      else
        expect(bytes.reduce((sum, one) => sum + one.bytes.length, 0)).toBe(Buffer.byteLength(text))
    }),
  )
})

test('a session of any length is held in part only', async () => {
  let given = 0
  async function* many(): AsyncGenerator<ReturnType<typeof readStep>> {
    for (let n = 0; n < 200_000; n++) {
      given = n
      yield readStep({ index: n, leaf: { kind: 'event', time_ms: n, name: 'x' } })
    }
  }
  for await (const moment of momentsOf(many())) {
    expect(moment.index).toBe(0)
    break
  }
  expect(given).toBeLessThan(60_000)
})
