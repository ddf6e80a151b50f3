import type { Journal, Log } from '../core/services.ts'

export type Life = {
  /** Says that the enforcement point ends in order. */
  readonly end: () => Promise<void>
}

/**
 * Says in the record that the enforcement point started, that it is there, and that it ended: so a silence in the
 * record is either quiet or an absence, and it shows which.
 * @param heartbeat_ms time between two signs of life.
 * @throws {PepError} PEP_JOURNAL when the first cannot be recorded.
 */
export async function recordLife(
  journal: Pick<Journal, 'append'>,
  { heartbeat_ms, now, log }: { heartbeat_ms: number; now: () => number; log: Log },
): Promise<Life> {
  const say = (name: string, detail: Record<string, unknown> = {}): Promise<void> =>
    journal.append({ kind: 'event', time_ms: now(), name, detail })
  // Nothing passes because of it: what cannot be recorded is refused where it is asked for.
  const unsaid = (error: unknown): void =>
    log('warn', 'journal.no_sign_of_life', { error: String(error) })

  await say('pep.started', { heartbeat_ms })
  const timer = setInterval(() => void say('pep.alive').catch(unsaid), heartbeat_ms)
  timer.unref()
  return {
    async end() {
      clearInterval(timer)
      await say('pep.stopped').catch(unsaid)
    },
  }
}
