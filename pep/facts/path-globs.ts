/**
 * Files whose names globs may stand for, so that `~/.s*\/id_*` is no way around a rule on `~/.ssh`. Names that say nothing
 * by themselves (`config`) count in their folder only.
 */
const files: readonly (readonly string[])[] = [
  '~/.aws/credentials',
  '~/.config/gh/hosts.yml',
  '~/.config/gcloud/credentials.db',
  '~/.docker/config.json',
  '~/.gnupg/secring.gpg',
  '~/.kube/config',
  '~/.ssh/config',
  '/etc/shadow',
  '/proc/self/environ',
].map((file) => file.split('/'))

const names: readonly string[] = [
  '.env',
  '.env.local',
  '.env.production',
  '.git-credentials',
  '.netrc',
  '.npmrc',
  '.pgpass',
  '.pypirc',
  'id_ed25519',
  'id_rsa',
  'shadow',
]

const MAX_GLOB = 256
const MAX_STARS = 8

/** @returns the well-known files that a path with `*`, `?`, `[…]` or `{…}` may name; none for one without. */
export function wellKnown(path: string): string[] {
  if (!/[*?[{]/.test(path)) return []
  // Many stars take a pattern long to fail; such a glob may be anything.
  if (path.length > MAX_GLOB || (path.match(/[*{]/g)?.length ?? 0) > MAX_STARS)
    return [...names, ...files.map((file) => file.join('/'))]
  const segments = path.split('/')
  const name = segments.at(-1) ?? ''
  // `*` is everyday work; only a glob that says a part of the name counts.
  const named = /^[*?]+$/.test(name) ? [] : names.filter((one) => matches(name, one))
  return [...named, ...files.filter((file) => fits(segments, file)).map((file) => file.join('/'))]
}

/** From the end: `/home/a` is somebody's `~`, and a relative glob may stand in any folder of it. */
function fits(glob: readonly string[], file: readonly string[]): boolean {
  const rooted = file[0] === ''
  if (glob.length < 2 || (rooted && glob.length !== file.length)) return false
  for (let back = 1; back <= Math.min(glob.length, file.length); back++) {
    const segment = file.at(-back) ?? ''
    if (segment === '~') return true
    if (!matches(glob.at(-back) ?? '', segment)) return false
  }
  return true
}

/** One segment by the rules of the shell: a leading dot is matched by a dot alone. */
function matches(pattern: string, segment: string): boolean {
  if (segment.startsWith('.') && /^[*?[]/.test(pattern)) return false
  const source = pattern.replace(/\[[!^]?[^\]]+\]|[^]/g, (part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part === '{') return '(?:'
    if (part === '}') return ')'
    if (part === ',') return pattern.includes('{') ? '|' : ','
    if (part.length > 1) return part.replace(/^\[!/, '[^').replaceAll('\\', '\\\\')
    return part.replace(/[\\^$.|()[\]+]/g, '\\$&')
  })
  try {
    return new RegExp(`^${source}$`).test(segment)
  } catch {
    // A brace that does not close is itself.
    return pattern === segment
  }
}
