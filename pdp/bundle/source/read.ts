import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type ArchiveFiles, readArchive } from '../archive.ts'
import { BundleError } from '../errors.ts'
import type { Fetched } from './source.ts'

/** Most bytes of an archive; unpacked it may have four times as many. */
export const MOST_BUNDLE_BYTES = 64 * 1024 * 1024
export const MOST_UNPACKED_BYTES = 4 * MOST_BUNDLE_BYTES

export const digestOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')

/** @throws {BundleError} */
export const fetchedArchive = (bytes: Uint8Array): Fetched => ({
  files: readArchive(bytes, MOST_UNPACKED_BYTES),
  digest: digestOf(bytes),
})

/** Never reads more than the limit, whatever the file system says of the size. @throws {BundleError} */
export async function readLimited(
  path: string,
  mostBytes = MOST_BUNDLE_BYTES,
): Promise<Uint8Array> {
  try {
    await using file = await open(path)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of file.createReadStream({ autoClose: false, end: mostBytes })) {
      chunks.push(chunk as Uint8Array)
      bytes += (chunk as Uint8Array).length
    }
    if (bytes > mostBytes)
      throw new BundleError('BUNDLE_TOO_LARGE', `has more than ${mostBytes} bytes`)
    return Buffer.concat(chunks)
  } catch (cause) {
    if (cause instanceof BundleError) throw cause
    throw new BundleError('BUNDLE_READ', `${path} cannot be read (${(cause as Error).message})`, {
      cause,
    })
  }
}

/** However they are packed: over names, lengths and contents, in the order of names. @returns sha256 hex. */
export function digestOfFiles(files: ArchiveFiles): string {
  const hash = createHash('sha256')
  for (const name of [...files.keys()].sort()) {
    const content = files.get(name) ?? new Uint8Array()
    hash.update(`${JSON.stringify(name)} ${content.length} ${digestOf(content)}\n`)
  }
  return hash.digest('hex')
}
