import type { Use } from './connection.ts'
import { storeError } from './errors.ts'
import type { ApprovalStore } from './store.ts'

const CHANNEL = 'countersign_approvals'
/** How far back changes are told again after the connection was lost: longer than anybody waits for one. */
const AGAIN_MS = 15 * 60_000

export type Changes = Pick<ApprovalStore, 'onChange'> & {
  /** Begins to listen; the driver connects again by itself. */
  readonly listen: () => Promise<void>
}

/** What the database tells of approvals, see `tell_approval` in migrations/0001_guards.sql. */
export function createChanges(use: Use, log: (line: string) => void): Changes {
  const listeners = new Set<(id: string) => void>()
  let connected = false

  function tell(id: string): void {
    for (const listener of listeners) {
      try {
        listener(id)
      } catch (error) {
        log(`store: a listener failed: ${String(error)}`)
      }
    }
  }

  async function catchUp(): Promise<void> {
    const rows = await use(
      ({ sql }) => sql<{ id: string }[]>`
        select id from countersign.approvals
        where changed_ms > (extract(epoch from clock_timestamp()) * 1000)::bigint - ${AGAIN_MS}`,
    )
    for (const { id } of rows) tell(id)
  }

  return {
    onChange: (listener) => {
      // An own function for each call, so that one listener given twice is two.
      const own = (id: string) => listener(id)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    listen: () =>
      use(async ({ sql }) => {
        await sql.listen(CHANNEL, tell, () => {
          // Who waits also asks when the wait ends, so a failure here makes it late, not wrong.
          if (connected) catchUp().catch((error: unknown) => log(storeError(error).message))
          connected = true
        })
      }),
  }
}
