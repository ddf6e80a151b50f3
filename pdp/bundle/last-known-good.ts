import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pack, unpack } from 'msgpackr'
import { BundleError } from './errors.ts'
import { digestOf } from './source/read.ts'
import type { Fetched } from './source/source.ts'

/** The newest version of a bundle that ran, kept on disk: `<digest as it came> <sha256 of what follows>\n<files>`. */
export type LastKnownGood = {
  readonly save: (fetched: Fetched) => Promise<void>
  /** `undefined` when nothing was kept. @throws {BundleError} when what was kept is damaged. */
  readonly load: () => Promise<Fetched | undefined>
  /** Forgets what was kept. */
  readonly remove: () => Promise<void>
}

const HEADER = /^([0-9a-f]{64}) ([0-9a-f]{64})\n$/
const HEADER_BYTES = 130

/** @param folder made with mode 0700; several bundles may share it. */
export function createLastKnownGood(folder: string, name: string): LastKnownGood {
  const path = join(folder, `${encodeURIComponent(name)}.bundle`)
  return {
    async save({ files, digest }) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const packed = pack([...files])
      const beside = `${path}.${process.pid}`
      try {
        await using file = await open(beside, 'w', 0o600)
        await file.writeFile(
          Buffer.concat([Buffer.from(`${digest} ${digestOf(packed)}\n`), packed]),
        )
        await file.sync()
        await rename(beside, path)
        await using parent = await open(folder)
        await parent.sync()
      } finally {
        await rm(beside, { force: true })
      }
    },
    async load() {
      let content: Buffer
      try {
        content = await readFile(path)
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw new BundleError('BUNDLE_READ', `${path} cannot be read`, { cause })
      }
      const [, digest, own] = HEADER.exec(content.subarray(0, HEADER_BYTES).toString()) ?? []
      const packed = content.subarray(HEADER_BYTES)
      if (digest === undefined || digestOf(packed) !== own)
        throw new BundleError(
          'BUNDLE_ARCHIVE',
          `${path} is damaged: delete it, and start with the source`,
        )
      return { files: new Map(unpack(packed) as [string, Uint8Array][]), digest }
    },
    remove: () => rm(path, { force: true }),
  }
}
