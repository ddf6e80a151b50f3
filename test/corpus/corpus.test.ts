import { describe, expect, test } from 'vitest'
import { builtinNames } from '../../pep/mask/types.ts'
import { type Judgement, judge, maskOf, measure, ratio } from './judge.ts'
import { type Entry, type Form, forms, loadCorpus } from './load.ts'

/**
 * Forms that the mask engine does not see through yet, with the share of values that is masked all the same: never
 * less. A form leaves this list when all of its values are masked.
 */
const notYet: Partial<Record<Form, { readonly least: number; readonly why: string }>> = {
  url: {
    least: 0.98,
    why: 'a plus is not read as the blank in the label of a key, nor the end of an AWS secret seen before a slash',
  },
}

/** Near misses that are masked all the same. */
const knownFindings: Readonly<Record<string, string>> = {}

const corpus = loadCorpus()
const figures = measure(corpus)
/** Long texts are cut: a failure has to be read. */
const shown = (text: string): string =>
  JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
const missedLine = ({ entry, missed, after }: Judgement): string =>
  `${entry.file} (${entry.form}): ${missed.map((value) => shown(value.value)).join(', ')} is left in ${shown(after)}`

const isPositive = (entry: Entry, name: string): boolean =>
  entry.values.some((value) => value.detector === name)
const isNearMiss = (entry: Entry, name: string): boolean =>
  entry.values.length === 0 && entry.detectors.some((detector) => detector === name)

for (const name of builtinNames) {
  describe(name, () => {
    test('has at least forty values and forty near misses', () => {
      expect(corpus.filter((entry) => isPositive(entry, name)).length).toBeGreaterThanOrEqual(40)
      expect(corpus.filter((entry) => isNearMiss(entry, name)).length).toBeGreaterThanOrEqual(40)
    })

    test('leaves no 60 % run of a value, in every form that the engine knows', () => {
      const failed = figures.judgements.filter(
        ({ entry, missed }) =>
          notYet[entry.form] === undefined && missed.some((value) => value.detector === name),
      )
      expect(failed.map(missedLine)).toEqual([])
    })

    test('leaves near misses as they are', () => {
      const mask = maskOf([name])
      const failed = corpus
        .filter((entry) => isNearMiss(entry, name) && knownFindings[entry.text] === undefined)
        .map((entry) => judge(entry, mask))
        .filter(({ entry, after }) => after !== entry.text)
      expect(
        failed.map(
          ({ entry, after }) => `${entry.file}: ${shown(entry.text)} became ${shown(after)}`,
        ),
      ).toEqual([])
    })

    test('is right about what it masks in 98 of 100 cases, with every detector on', () => {
      const share = figures.precision.get(name)
      expect(share && ratio(share)).toBeGreaterThanOrEqual(0.98)
    })
  })
}

for (const form of forms) {
  const listed = notYet[form]
  const share = figures.forms.get(form) ?? { right: 0, all: 0 }
  if (listed === undefined) {
    test(`every value in the form ${form} is masked`, () => {
      expect(share.right).toBe(share.all)
    })
  } else {
    test(`${form} masks no less than it did: ${listed.why}`, () => {
      expect(ratio(share)).toBeGreaterThanOrEqual(listed.least)
      expect(ratio(share), `${form} is complete: take it out of notYet`).toBeLessThan(1)
    })
  }
}

test('what is masked beyond the values is less than one unit in a hundred', () => {
  expect(ratio(figures.beyond)).toBeLessThan(0.01)
})

test('a near miss leaves the list of known findings when nothing is found in it', () => {
  const mask = maskOf(builtinNames)
  const listed = corpus.filter((entry) => knownFindings[entry.text] !== undefined)
  expect(listed.map((entry) => entry.text)).toEqual(Object.keys(knownFindings))
  for (const entry of listed) expect(judge(entry, mask).after).not.toBe(entry.text)
})
