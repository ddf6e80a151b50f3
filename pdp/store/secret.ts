import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/**
 * A password kept in a file with mode 0600, made at first use. Written whole before it gets its name, so that a
 * crash leaves no half of one.
 */
export function keptSecret(path: string): string {
  const known = readSecret(path)
  if (known !== undefined) return known
  const fresh = `${path}.${process.pid}`
  writeFileSync(fresh, randomBytes(32).toString('base64url'), { mode: 0o600, flush: true })
  try {
    linkSync(fresh, path)
  } catch (error) {
    // Another process was first: its secret counts.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(fresh, { force: true })
  }
  return readFileSync(path, 'utf8')
}

export function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
