import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Anchor, type AnchorParts, createAnchor } from './anchor.ts'

export type FileAnchorOptions = AnchorParts & {
  readonly name: string
  /** On another system: a mount, or a file that something else carries away. */
  readonly path: string
  /** At most one checkpoint in so many milliseconds. */
  readonly every_ms: number
}

/**
 * Appends checkpoints to a file, a blank line between them, synced. The file is only ever appended to, so that a file
 * system which allows nothing else (`chattr +a`, a write-once mount) is good for it.
 */
export function fileAnchor({ path, ...options }: FileAnchorOptions): Anchor {
  return createAnchor({
    ...options,
    kind: 'file',
    async deliver({ note }) {
      await mkdir(dirname(path), { recursive: true })
      const file = await open(path, 'a', 0o640)
      try {
        // The blank line stands in front, so that one that a crash left unfinished does not swallow the next.
        await file.writeFile(`\n\n${note}`)
        await file.datasync()
      } finally {
        await file.close()
      }
    },
  })
}
