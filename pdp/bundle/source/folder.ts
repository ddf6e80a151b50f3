import { readdir, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArchiveFiles } from '../archive.ts'
import { BundleError } from '../errors.ts'
import { changed } from './change.ts'
import { digestOfFiles, MOST_UNPACKED_BYTES, readLimited } from './read.ts'
import type { BundleSource, Fetched } from './source.ts'

const MOST_FILES = 10_000
/** How often a folder that changes while it is read is read again. */
const ATTEMPTS = 5
const PAUSE_MS = 50

/** A bundle as a folder of its files. It is taken only as it stood still while it was read. */
export function folderSource(name: string, path: string): BundleSource {
  const look = (): Promise<string> => listing(path).catch(() => 'missing')
  let seen: string | undefined
  return {
    name,
    where: path,
    async read(known) {
      seen = await look()
      const fetched = await readStill(path)
      return fetched.digest === known ? 'unchanged' : fetched
    },
    wait: (signal) => changed(path, true, seen, look, signal),
  }
}

async function readStill(path: string): Promise<Fetched> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const before = await listing(path)
    const files = await readAll(path)
    if ((await listing(path)) === before) return { files, digest: digestOfFiles(files) }
    await sleep(PAUSE_MS)
  }
  throw new BundleError(
    'BUNDLE_READ',
    `${path} does not stand still: write it elsewhere and rename it`,
  )
}

async function filesOf(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => !entry.isDirectory())
    if (files.length > MOST_FILES)
      throw new BundleError('BUNDLE_TOO_LARGE', `${path} has more than ${MOST_FILES} files`)
    return files.map((entry) => join(entry.parentPath, entry.name)).sort()
  } catch (cause) {
    if (cause instanceof BundleError) throw cause
    throw new BundleError('BUNDLE_READ', `${path} cannot be read (${(cause as Error).message})`, {
      cause,
    })
  }
}

async function listing(path: string): Promise<string> {
  const lines = (await filesOf(path)).map(async (file) => {
    const { ino, mtimeMs, size } = await stat(file)
    return `${file} ${ino} ${mtimeMs} ${size}`
  })
  return (await Promise.all(lines)).join('\n')
}

async function readAll(path: string): Promise<ArchiveFiles> {
  const root = await realpath(path)
  const files = new Map<string, Uint8Array>()
  let bytes = 0
  for (const file of await filesOf(path)) {
    const real = await realpath(file)
    // A link that leads out would bring files in that nobody reviewed as policy.
    if (!real.startsWith(root + sep))
      throw new BundleError('BUNDLE_ARCHIVE', `${file} leads out of the folder`)
    const content = await readLimited(file, MOST_UNPACKED_BYTES - bytes)
    bytes += content.length
    files.set(relative(path, file).split(sep).join('/'), content)
  }
  return files
}
