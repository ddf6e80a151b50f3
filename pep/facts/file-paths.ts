import type { FilePath } from '../../pdp/contract/facts.ts'
import { wellKnown } from './path-globs.ts'

const MAX_PATHS = 256
const MAX_PATH = 1024
/** Room for all of them, UTF-16 code units. */
const ROOM = 16 * 1024

export type PathList = {
  readonly add: (text: string, op: FilePath['op']) => void
  readonly paths: FilePath[]
}

/** Collects the files of a tool call. @param incomplete is told what does not fit. */
export function createPathList(incomplete: (why: string) => void): PathList {
  const paths: FilePath[] = []
  const known = new Set<string>()
  let room = ROOM
  const put = (path: string, op: FilePath['op']): void => {
    const key = `${op} ${path}`
    if (known.has(key)) return
    room -= path.length + 8
    if (paths.length >= MAX_PATHS || path.length > MAX_PATH || room < 0)
      return incomplete('paths: more than fits')
    known.add(key)
    paths.push({ path, op })
  }
  return {
    paths,
    add(text, op) {
      if (text === '') return
      const path = normalisePath(text)
      // Programs disagree on what is behind a NUL.
      if (path === undefined) return incomplete('paths: not a path')
      put(path, op)
      for (const file of wellKnown(path)) put(file, op)
    },
  }
}

/**
 * A path in one spelling, without looking at any file system: symbolic links are not seen.
 * @returns undefined for one that holds NUL or cannot be decoded.
 */
export function normalisePath(text: string): string | undefined {
  let path = text
  if (/^file:/i.test(path)) {
    try {
      path = decodeURIComponent(path.replace(/^file:(\/\/[^/]*)?/i, ''))
    } catch {
      return undefined
    }
    // `file:///C:/a`
    if (/^\/[a-z]:/i.test(path)) path = path.slice(1)
  }
  if (path.includes('\0')) return undefined
  path = path
    .replaceAll('\\', '/')
    .replace(/^(\$HOME|\$\{HOME\}|%USERPROFILE%|\$env:USERPROFILE)(?=\/|$)/i, '~')
    // The same file by the kernel's own names for folders.
    .replace(/^\/proc\/[^/]+\/root(?=\/)/, '')
    .replace(/^\/proc\/[^/]+\/cwd\//, '')
  const rooted = path.startsWith('/')
  const out: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') out.push(part)
    else if (out.length > 0 && out.at(-1) !== '..' && out.at(-1) !== '~') out.pop()
    else if (!rooted) out.push('..')
  }
  if (rooted) return `/${out.join('/')}`
  return out.length === 0 ? '.' : out.join('/')
}
