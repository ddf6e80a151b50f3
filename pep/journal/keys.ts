import { createHash } from 'node:crypto'
import { open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pack, unpack } from 'msgpackr'
import { wrappedKey, type WrappedKey } from '../../pdp/contract/record.ts'
import { makeFolder, syncFolder } from './segment.ts'

/**
 * Wrapped keys that the PDP has not acknowledged: one file each, `<created_ms>-<id>.key`, the SHA-256 of what follows
 * and then msgpack. A file a key, so that an acknowledged one is gone from this disk: from then on the PDP alone has it,
 * and what the PDP erases is erased.
 */
export type KeyFiles = {
  /** Makes keys durable, before anything that is sealed under them is. @throws whatever the file system says. */
  readonly save: (keys: readonly WrappedKey[]) => Promise<void>
  /** The oldest that wait. One that cannot be read is told once and passed over; its file stays as it is. */
  readonly oldest: (most: number) => Promise<readonly WrappedKey[]>
  /** Removes what the PDP has. @throws whatever the file system says. */
  readonly remove: (keys: readonly WrappedKey[]) => Promise<void>
}

const NAME = /^\d{15}-[0-9a-f]{32}\.key$/
const DIGEST_BYTES = 32

const nameOf = ({ created_ms, id }: WrappedKey): string =>
  `${String(created_ms).padStart(15, '0')}-${id}.key`

const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

/**
 * Opens the keys of a journal folder.
 * @param damaged told of a file that cannot be read: what was sealed under that key stays sealed.
 * @throws whatever the file system says.
 */
export async function openKeyFiles(
  journal: string,
  damaged: (detail: { readonly path: string; readonly error: string }) => void,
): Promise<KeyFiles> {
  const folder = join(journal, 'keys')
  await makeFolder(folder)
  await syncFolder(journal)
  const names = await readdir(folder)
  // Begun and never renamed: no frame was written under it.
  for (const name of names) if (name.endsWith('.new')) await unlink(join(folder, name))
  // In the order they were made.
  const waiting = new Set(names.filter((name) => NAME.test(name)).sort())

  async function write(key: WrappedKey): Promise<void> {
    const path = join(folder, nameOf(key))
    const beside = `${path}.new`
    const body = pack(key)
    const handle = await open(beside, 'w', 0o600)
    try {
      await handle.writeFile(Buffer.concat([digestOf(body), body]))
      await handle.datasync()
    } finally {
      await handle.close()
    }
    await rename(beside, path)
  }

  return {
    async save(keys) {
      await Promise.all(keys.map(write))
      await syncFolder(folder)
      for (const key of keys) waiting.add(nameOf(key))
    },
    async oldest(most) {
      const keys: WrappedKey[] = []
      for (const name of waiting) {
        if (keys.length >= most) break
        const path = join(folder, name)
        try {
          keys.push(parse(await readFile(path)))
        } catch (error) {
          // Its frames are shipped all the same: the proof stays whole, the content cannot be read.
          waiting.delete(name)
          damaged({ path, error: String(error) })
        }
      }
      return keys
    },
    async remove(keys) {
      if (keys.length === 0) return
      for (const key of keys) {
        const name = nameOf(key)
        waiting.delete(name)
        await unlink(join(folder, name)).catch(absent)
      }
      await syncFolder(folder)
    },
  }
}

/** @throws {Error} for a file that is not whole. */
function parse(bytes: Buffer): WrappedKey {
  const body = bytes.subarray(DIGEST_BYTES)
  if (!digestOf(body).equals(bytes.subarray(0, DIGEST_BYTES)))
    throw new Error('the key is not whole')
  return wrappedKey.parse(unpack(body))
}

function absent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
