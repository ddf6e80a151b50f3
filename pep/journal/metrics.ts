import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { JournalMetrics } from './journal.ts'

/**
 * Counts what a journal does.
 * @param backlog bytes that wait for the PDP; read when someone asks for the metrics.
 */
export function createJournalMetrics(registry: Registry, backlog: () => number): JournalMetrics {
  const registers = [registry]
  const frames = new Counter({
    name: 'countersign_journal_frames_total',
    help: 'Frames on disk',
    registers,
  })
  const bytes = new Counter({
    name: 'countersign_journal_bytes_total',
    help: 'Bytes on disk',
    registers,
  })
  const commits = new Histogram({
    name: 'countersign_journal_commit_seconds',
    help: 'Time of a group commit: write and fdatasync',
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
    registers,
  })
  const shipped = new Counter({
    name: 'countersign_journal_shipped_frames_total',
    help: 'Frames that the decision service has committed',
    registers,
  })
  const alarms = new Counter({
    name: 'countersign_journal_alarms_total',
    help: 'What an operator must look at, by kind',
    labelNames: ['alarm'],
    registers,
  })
  const waiting: Gauge = new Gauge({
    name: 'countersign_journal_backlog_bytes',
    help: 'Bytes on disk that the decision service has not committed yet',
    registers,
    collect: (): void => waiting.set(backlog()),
  })
  return {
    committed: (count, size, took_ms) => {
      frames.inc(count)
      bytes.inc(size)
      commits.observe(took_ms / 1000)
    },
    shipped: (count) => shipped.inc(count),
    alarm: (alarm) => alarms.inc({ alarm }),
  }
}
