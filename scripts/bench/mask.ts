import {
  cleanText,
  jsonThroughput,
  textThroughput,
  textWithFindings,
  throughput,
} from '../../pep/mask/bench.ts'
import { remark, type Report } from './report.ts'

const ROUNDS = 5
const rounds = (run: () => number): number[] => Array.from({ length: ROUNDS }, run)

/** The mask engine on text in memory, on one core. Every detector is on. */
export function mask(report: Report): Promise<void> {
  remark('mask: 8 MB of text')
  const add = (metric: string, ours: readonly number[], goal?: number): void =>
    report({ suite: 'mask', metric, unit: 'MB/s', ours, ...(goal !== undefined && { goal }) })
  const dense = textWithFindings(8)
  const typographic = cleanText(8).replaceAll("'", '’').replaceAll(' - ', ' — ')
  add(
    'clean text',
    rounds(() => textThroughput()),
    400,
  )
  add(
    'clean text with typographic marks',
    rounds(() => textThroughput(typographic)),
  )
  add(
    'clean text, bytes in and out',
    rounds(() => throughput()),
  )
  add(
    'text with a finding a KB',
    rounds(() => textThroughput(dense)),
    100,
  )
  add(
    'JSON of an HTTP API',
    rounds(() => jsonThroughput()),
  )
  return Promise.resolve()
}
