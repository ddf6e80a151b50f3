import { z } from 'zod'
import { FieldPaths } from '../../pep/mask/json-path.ts'
import type { NameSet, PathRest } from './prepared.ts'

/**
 * Patterns of policy data, compiled once so that no decision runs a glob or a regular expression: every pattern
 * has a literal prefix that is looked up, and what is left of it is compared by position.
 */

/** A path by segments: `*` is one segment, a final `**` any number of them (also none). */
export const pathPattern = z.string().check((context) => {
  const problem = pathProblem(context.value)
  if (problem !== undefined)
    context.issues.push({ code: 'custom', message: problem, input: context.value })
})

function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must begin with /'
  const segments = path.slice(1).split('/')
  for (const [at, segment] of segments.entries()) {
    const last = at === segments.length - 1
    if (segment === '**' && !last) return '** may only be the last segment'
    if (segment.includes('*') && segment !== '*' && segment !== '**')
      return `"${segment}": * stands for a whole segment`
    if (segment === '' && !last) return 'must not have an empty segment'
    if (segment === '.' || segment === '..') return 'must not have dot segments'
    // Segments are compared after decoding: an escape here would never match.
    if (/[%\\?#;\p{Cc}]/u.test(segment)) return `"${segment}": write it decoded, without %, ?, #, ;`
  }
  return undefined
}

/** An exact name, or one that ends in `*`. */
export const namePattern = z
  .string()
  .min(1)
  .max(256)
  .refine((value) => !value.slice(0, -1).includes('*'), '* may only stand at the end')

/** An exact host, or `*.` and a domain: its subdomains, not itself. */
export const hostPattern = z
  .string()
  .regex(/^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*)$/, 'must be a host, or *. and a domain')

export const jsonPath = z.string().refine((path) => {
  try {
    return new FieldPaths([{ path, style: 'redact', observe: false }]).root.length > 0
  } catch {
    return false // not understood: a build error, so nothing gets through
  }
}, 'is not a JSON path such as $.a.b or $.a[*].c')

/** @returns the literal positions a path must begin with, and what is left to compare. */
export function compilePath(pattern: string): { prefix: string[]; rest: PathRest } {
  const segments = pattern.split('/')
  const open = segments.at(-1) === '**'
  if (open) segments.pop()
  const wild = segments.indexOf('*')
  const prefix = wild === -1 ? segments : segments.slice(0, wild)
  const fixed: [number, string][] = []
  const any: number[] = []
  for (const [at, segment] of segments.entries()) {
    if (segment === '*') any.push(at)
    else if (at >= prefix.length) fixed.push([at, segment])
  }
  return { prefix, rest: { length: segments.length, open, fixed, any } }
}

export function compileNames(patterns: readonly string[]): NameSet {
  // Without a prototype: `__proto__` is a name like any other.
  const exact = Object.create(null) as Record<string, true>
  const starts: string[] = []
  const ends: string[] = []
  for (const pattern of patterns) {
    if (pattern.endsWith('*')) starts.push(pattern.slice(0, -1))
    else if (pattern.startsWith('*.')) ends.push(pattern.slice(1))
    else exact[pattern] = true
  }
  return { exact, starts, ends }
}
