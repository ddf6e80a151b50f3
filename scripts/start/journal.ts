import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { type LocalJournal, openJournal } from '../../pep/journal/journal.ts'
import { createJournalMetrics } from '../../pep/journal/metrics.ts'
import type { MasterKey } from '../../sealing/master-key.ts'
import { createSealer, type Sealer } from '../../sealing/sealer.ts'
import type { Log } from '../../server/log.ts'
import { type Configuration, within } from './config.ts'
import { usableWrapper } from './secrets.ts'

/** The default folder of the journal is inside the data folder, wherever that is. */
const DEFAULT_JOURNAL = '.countersign/journal'

/**
 * Opens the journal of an enforcement point; what it takes is sealed under keys that `master` wraps.
 * @param sealer in place of that: see `StartOptions`.
 */
export async function openedJournal(
  { name, journal: { folder: configured, max_backlog_bytes } }: Configuration['pep']['pep'],
  base: string,
  folder: string,
  registry: Registry,
  master: MasterKey,
  log: Log,
  sealer?: Sealer,
): Promise<LocalJournal> {
  let journal: LocalJournal | undefined
  const metrics = createJournalMetrics(registry, () => journal?.backlog() ?? 0)
  journal = await openJournal({
    folder: configured === DEFAULT_JOURNAL ? join(folder, 'journal') : within(base, configured),
    pep: name,
    max_backlog_bytes,
    seal: sealer ?? createSealer({ wrapper: await usableWrapper(master), now: Date.now }),
    log,
    now: Date.now,
    metrics,
  })
  return journal
}
