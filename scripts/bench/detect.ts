import { measure, type Share, ratio } from '../../test/corpus/judge.ts'
import { remark, type Report } from './report.ts'

const suite = 'detect'

/** How much of the corpus in test/corpus is found, and how much of what is found is meant. Every detector is on. */
export function detect(report: Report): Promise<void> {
  const { recall, precision, forms, beyond, judgements } = measure()
  const nearMisses = judgements.filter(({ entry }) => entry.values.length === 0).length
  remark(
    `detect: ${judgements.length - nearMisses} texts with values and ${nearMisses} near misses`,
  )
  const add = (metric: string, share: Share, goal: number, lower_is_better = false): void =>
    report({ suite, metric, unit: 'share', ours: [ratio(share)], goal, lower_is_better })
  for (const [detector, share] of recall) {
    add(`${detector}, recall`, share, 1)
    add(`${detector}, precision`, precision.get(detector) ?? none, 0.98)
  }
  for (const [form, share] of forms) add(`form ${form}, recall`, share, 1)
  add('all, recall', total(recall.values()), 1)
  add('all, precision', total(precision.values()), 0.98)
  add('text masked beyond values', beyond, 0.01, true)
  return Promise.resolve()
}

const none: Share = { right: 0, all: 0 }

const total = (shares: Iterable<Share>): Share =>
  [...shares].reduce((a, b) => ({ right: a.right + b.right, all: a.all + b.all }), none)
