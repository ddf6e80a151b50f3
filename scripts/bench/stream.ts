import { eventTimes } from '../../pep/mask/bench.ts'
import { manyStreams } from './many-streams.ts'
import { remark, type Report } from './report.ts'

const ROUNDS = 5

/** What masking costs a stream: time, text that has to wait, memory. Every detector is on. */
export async function stream(report: Report): Promise<void> {
  remark('stream: events of a reply')
  eventTimes(5000) // compiled before it is measured
  const times = Array.from({ length: ROUNDS }, () => eventTimes())
  const suite = 'stream'
  const lower_is_better = true
  const ms = (pick: (one: (typeof times)[number]) => number): number[] =>
    times.map((one) => pick(one) / 1000)
  const unit = 'ms'
  const event = 'processing added to an event'
  report({ suite, metric: `${event}, p50`, unit, ours: ms((t) => t.p50_us), lower_is_better })
  report({
    suite,
    metric: `${event}, p99`,
    unit,
    ours: ms((t) => t.p99_us),
    goal: 1,
    lower_is_better,
  })
  // Text that may still become a finding has to wait; these are counts, not times.
  const held = (
    metric: string,
    pick: (one: (typeof times)[number]) => number,
    goal?: number,
  ): void =>
    report({
      suite,
      metric,
      unit: 'characters',
      ours: times.map(pick),
      lower_is_better,
      ...(goal !== undefined && { goal }),
    })
  held('held back after an event, mean', (t) => t.held_mean)
  held('held back after an event, most', (t) => t.held_max)
  held('held back at the end of a block', (t) => t.held_end, 0)
  const share = times.map((t) => t.held_events / t.events)
  report({ suite, metric: 'events of which nothing went out at once', unit: 'share', ours: share })
  await manyStreams(report)
}
