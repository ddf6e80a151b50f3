import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Reads a file that holds a secret, or makes it at first use. Only its owner can read it (0600).
 * @param make what it holds at first.
 */
export async function keepPrivate(path: string, make: () => Promise<string>): Promise<string> {
  const kept = await readFile(path, 'utf8').catch(absent)
  if (kept !== undefined) return kept
  const beside = await writeBeside(path, await make())
  try {
    await link(beside, path) // fails when another process was quicker: one of the two counts
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await rm(beside, { force: true })
  }
  return readFile(path, 'utf8')
}

/** Replaces a file whole; only its owner can read it (0600). */
export async function writePrivate(path: string, text: string): Promise<void> {
  await rename(await writeBeside(path, text), path)
}

async function writeBeside(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomUUID()}`
  await writeFile(beside, text, { mode: 0o600, flag: 'wx' })
  return beside
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
