import { watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whoever writes several files is given time to end. */
const SETTLE_MS = 20
/** Also without being told: over network file systems and mounted secrets nothing is told. */
const LOOK_MS = 1000

/**
 * Resolves when something below a folder may have changed, or what `look` returns is another than `before`.
 * @param before what was seen when it was read.
 * @param look what the file system says of it now; it must not throw.
 */
export async function changed(
  folder: string,
  recursive: boolean,
  before: string | undefined,
  look: () => Promise<string>,
  signal: AbortSignal,
): Promise<void> {
  const told = new AbortController()
  const watcher = watchQuietly(folder, recursive, () => told.abort())
  const either = AbortSignal.any([signal, told.signal])
  try {
    for (;;) {
      if ((await look()) !== before) return
      await sleep(LOOK_MS, undefined, { signal: either, ref: false }).catch(() => undefined)
      if (signal.aborted) return
      if (told.signal.aborted) {
        await sleep(SETTLE_MS)
        return
      }
    }
  } finally {
    watcher?.close()
  }
}

/** Without a watcher the file system is looked at every second. */
function watchQuietly(
  folder: string,
  recursive: boolean,
  onChange: () => void,
): { close(): void } | undefined {
  try {
    const watcher = watch(folder, { recursive, persistent: false }, onChange)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
