import { stat } from 'node:fs/promises'

/**
 * Calls back when any of the files is another than before. It asks once a second rather than being told, which also
 * works where files are replaced by renaming or behind symbolic links (mounted secrets).
 */
export function watchFiles(
  paths: readonly string[],
  onChange: () => void,
  interval_ms = 1000,
): { close(): void } {
  let before: string | undefined
  let busy = false
  async function look(): Promise<void> {
    if (busy) return
    busy = true
    const seen = (await Promise.all(paths.map(identityOf))).join('\n')
    busy = false
    if (before !== undefined && before !== seen) onChange()
    before = seen
  }
  void look()
  const timer = setInterval(() => void look(), interval_ms).unref()
  return { close: () => clearInterval(timer) }
}

async function identityOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path)
    return `${ino} ${mtimeMs} ${size}`
  } catch {
    return 'missing' // whoever reads it next says what is wrong
  }
}
