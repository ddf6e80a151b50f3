import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { err, ok, type Result } from '../contract/result.ts'
import { type Checkpoint, readCheckpoint } from './checkpoint.ts'

/**
 * What this machine knows of the log, kept apart from the database: the last checkpoint that was signed here, and
 * those that a person gave up. Without it whoever restores an old database would get a signature under it.
 */
export type Known = {
  /** @returns `undefined` before the first; a sentence when the file is there but says nothing. */
  readonly last: (origin: string) => Promise<Result<Checkpoint | undefined, string>>
  /** Durable when it resolves. */
  readonly keep: (note: string) => Promise<void>
  /** Checkpoints that the log need not extend any more, as `<size> <root in hex>`. */
  readonly givenUp: () => Promise<ReadonlySet<string>>
  readonly giveUp: (tree: Tree) => Promise<void>
}

export type Tree = { readonly size: number; readonly root: Uint8Array }

/** Names a tree among those that were given up. */
export const treeName = ({ size, root }: Tree): string =>
  `${size} ${Buffer.from(root).toString('hex')}`

/** @param folder made when it is missing. */
export function openKnown(folder: string): Known {
  const lastPath = join(folder, 'last-checkpoint')
  const givenUpPath = join(folder, 'given-up-checkpoints')
  async function givenUp(): Promise<Set<string>> {
    return new Set((await readText(givenUpPath))?.split('\n').filter(Boolean))
  }
  return {
    async last(origin) {
      const note = await readText(lastPath)
      if (note === undefined) return ok(undefined)
      const checkpoint = readCheckpoint(note)
      // Fail closed: nothing is signed while nobody knows what was signed before.
      if (!checkpoint.ok) return err(`${lastPath} cannot be read: ${checkpoint.error}`)
      if (checkpoint.value.origin !== origin)
        return err(
          `${lastPath} is of the log ${checkpoint.value.origin}, and this one is ${origin}`,
        )
      return checkpoint
    },
    keep: (note) => writeDurably(folder, lastPath, note),
    givenUp,
    async giveUp(tree) {
      const all = await givenUp()
      all.add(treeName(tree))
      await writeDurably(folder, givenUpPath, `${[...all].join('\n')}\n`)
    },
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Written beside, synced, renamed over, and the rename synced: after a crash it is the old or the new one, whole. */
async function writeDurably(folder: string, path: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  // Two processes may share the folder.
  const beside = `${path}.${randomUUID()}`
  try {
    const handle = await open(beside, 'wx', 0o600)
    try {
      await handle.writeFile(text)
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
