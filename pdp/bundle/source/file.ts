import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { changed } from './change.ts'
import { digestOf, fetchedArchive, readLimited } from './read.ts'
import type { BundleSource } from './source.ts'

/** A bundle in a file, read again when it changes. */
export function fileSource(name: string, path: string): BundleSource {
  let seen: string | undefined
  return {
    name,
    where: path,
    async read(known) {
      seen = await identityOf(path)
      const bytes = await readLimited(path)
      return digestOf(bytes) === known ? 'unchanged' : fetchedArchive(bytes)
    },
    wait: (signal) => changed(dirname(path), false, seen, () => identityOf(path), signal),
  }
}

async function identityOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return 'missing' // reading it says what is wrong
  }
}
