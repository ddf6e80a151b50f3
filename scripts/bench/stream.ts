import {
  eventTimes,
  jsonThroughput,
  textThroughput,
  textWithFindings,
  throughput,
} from '../../pep/mask/bench.ts'
import { remark, type Report } from './report.ts'

const ROUNDS = 5
const rounds = (run: () => number): number[] => Array.from({ length: ROUNDS }, run)

/** What masking costs a stream: time, text that has to wait, throughput. Every detector is on. */
export async function stream(report: Report): Promise<void> {
  remark('stream: events of a reply, then the mask engine on 8 MB of text')
  eventTimes(5000) // compiled before it is measured
  const times = Array.from({ length: ROUNDS }, () => eventTimes())
  const suite = 'stream'
  const add = (
    metric: string,
    unit: string,
    ours: readonly number[],
    goal?: number,
    lower_is_better = false,
  ): void =>
    report({ suite, metric, unit, ours, lower_is_better, ...(goal !== undefined && { goal }) })
  add(
    'processing added to an event, p50',
    'ms',
    times.map((t) => t.p50_us / 1000),
    2,
    true,
  )
  add(
    'processing added to an event, p99',
    'ms',
    times.map((t) => t.p99_us / 1000),
    2,
    true,
  )
  // Text that may still become a finding has to wait; these are counts, not times.
  add(
    'held back after an event, mean',
    'characters',
    times.map((t) => t.held_mean),
  )
  add(
    'held back after an event, most',
    'characters',
    times.map((t) => t.held_max),
  )
  const share = times.map((t) => t.held_events / t.events)
  add('events of which nothing went out at once', 'share', share)
  add(
    'clean text, text masker',
    'MB/s',
    rounds(() => textThroughput()),
    200,
  )
  add(
    'clean text, bytes in and out',
    'MB/s',
    rounds(() => throughput()),
    200,
  )
  const dense = textWithFindings(8)
  add(
    'text with a finding a KB',
    'MB/s',
    rounds(() => textThroughput(dense)),
  )
  add(
    'JSON of an HTTP API',
    'MB/s',
    rounds(() => jsonThroughput()),
  )
}
