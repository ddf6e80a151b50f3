import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/** How far each epoch is in the store. Losing it costs nothing but a second, deduplicated, shipping. */
export type Cursor = {
  /** Next seq to ship, by epoch. */
  readonly next: Map<string, number>
  /** Set when the file was there but could not be read. */
  readonly damaged: boolean
  /** Makes it durable: written beside, synced, renamed over. @throws whatever the file system says. */
  readonly save: () => Promise<void>
}

const shape = z.strictObject({
  version: z.literal(1),
  next: z.record(z.string(), z.int().nonnegative()),
})

/** Reads the cursor file of a journal folder. @throws whatever the file system says, but for a missing file. */
export async function openCursor(folder: string): Promise<Cursor> {
  const path = join(folder, 'cursor.json')
  const read = await readCursor(path)
  const next = new Map(read)
  return { next, damaged: read === undefined, save: () => write(path, next) }
}

/** @returns empty when there is none yet, `undefined` when it is damaged. */
async function readCursor(path: string): Promise<[string, number][] | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    return Object.entries(shape.parse(JSON.parse(text)).next)
  } catch {
    // Everything still on disk is shipped again; the store takes each frame once.
    return undefined
  }
}

async function write(path: string, next: ReadonlyMap<string, number>): Promise<void> {
  const beside = `${path}.new`
  const handle = await open(beside, 'w', 0o600)
  try {
    await handle.writeFile(JSON.stringify({ version: 1, next: Object.fromEntries(next) }))
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(beside, path)
}
