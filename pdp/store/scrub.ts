import type { Connection } from './connection.ts'

/** What had something of content, the keys first. */
const SCRUBBED = ['session_keys', 'approvals', 'votes', 'session_labels', 'shadow_differences']

/**
 * Old versions of rows stay in the files until they are vacuumed, and their bytes after that, until something is written over
 * them: so the tables are written anew. Nobody can use one meanwhile, which is why it must not take longer than any
 * other statement. Only a server of 17 or later lets us.
 */
export async function scrub(run: Connection['sql']): Promise<boolean> {
  let done = true
  for (const table of SCRUBBED) {
    try {
      await run.unsafe(`vacuum (full) countersign.${table}`)
    } catch {
      done = false
      // What is deleted cannot be read through the server either way, and its own vacuum does this much later.
      await run.unsafe(`vacuum countersign.${table}`).catch(() => undefined)
    }
  }
  return done
}
