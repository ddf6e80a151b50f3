import { expect, test } from 'vitest'
import { targets } from '../../scripts/fuzz/catalogue.ts'
import { readCorpus } from '../../scripts/fuzz/corpus.ts'

/** What `npm run fuzz` found once, and inputs that are hard to come by. */

const corpus = readCorpus()

test.each(corpus.map(({ file, kept }) => [kept.holds, file, kept] as const))(
  '%s (%s)',
  async (_holds, _file, { target: name, input }) => {
    const target = targets.find((one) => one.name === name)
    expect(target, `there is no target ${name}`).toBeDefined()
    await target!.check(input)
  },
)

test('every target has an input that is replayed', () => {
  const replayed = new Set(corpus.map(({ kept }) => kept.target))
  expect(targets.map(({ name }) => name).filter((name) => !replayed.has(name))).toEqual([])
})
