import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ask, DECISION_ENTRYPOINT, shownTo } from '../pdp/decide/ask.ts'
import { loadPolicy } from '../pdp/policy/load.ts'
import type { ActivePolicy } from '../pdp/policy/policy.ts'
import { buildBundle } from './build-bundle.ts'
import { loadCases } from './policy-data/cases.ts'

/** Which decisions change between two policies. */
export type Diff = { readonly total: number; readonly changes: readonly Change[] }

export type Change = {
  readonly kind: 'new allow' | 'new deny' | 'new approval' | 'other duties'
  readonly description: string
  /** `file:line` of the case. */
  readonly place: string
  readonly from: Said
  readonly to: Said
}

type Said = {
  readonly effect: string
  readonly rules: readonly string[]
  readonly obligations: string
}
type Asked = { readonly description: string; readonly place: string; readonly input: unknown }

/** The loudest first. */
const KINDS = ['new allow', 'new approval', 'new deny', 'other duties'] as const

/**
 * @param from a bundle, a folder of sources, or `git:<revision>`. @param to the same.
 * @param cases folder of decision cases, or a file with an input a line.
 * @throws {Error} that says what cannot be read or built.
 */
export async function diffPolicies(
  from: string,
  to: string,
  cases: string,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Diff> {
  const [before, after] = [await policyOf(from), await policyOf(to)]
  const asked = await readCases(cases)
  const changes: Change[] = []
  for (const [at, { description, place, input }] of asked.entries()) {
    const [old, now] = [said(before, input), said(after, input)]
    if (!isDeepStrictEqual(old, now))
      changes.push({ kind: kindOf(old, now), description, place, from: old, to: now })
    if (at % 100 === 99) onProgress(at + 1, asked.length)
  }
  onProgress(asked.length, asked.length)
  return {
    total: asked.length,
    changes: changes.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind)),
  }
}

function said(policy: ActivePolicy, input: unknown): Said {
  const { effect, reasons, obligations } = ask(policy, shownTo(policy, input))
  return {
    effect,
    rules: reasons.map(({ rule }) => rule).sort(),
    obligations: JSON.stringify(obligations),
  }
}

function kindOf(from: Said, to: Said): Change['kind'] {
  if (from.effect === to.effect) return 'other duties'
  if (to.effect === 'allow') return 'new allow'
  return to.effect === 'approve' ? 'new approval' : 'new deny'
}

async function readCases(path: string): Promise<readonly Asked[]> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new Error(`${path}: there are no cases`)
  if (found.isDirectory())
    return (await loadCases(path)).map(({ description, file, line, input }) => ({
      description,
      place: `${file}:${line}`,
      input,
    }))
  const lines = (await readFile(path, 'utf8')).split('\n')
  return lines.flatMap((line, at) => {
    if (line.trim() === '') return []
    try {
      const input = JSON.parse(line) as unknown
      return [{ description: `input ${at + 1}`, place: `${path}:${at + 1}`, input }]
    } catch (cause) {
      throw new Error(`${path}:${at + 1}: not JSON`, { cause })
    }
  })
}

async function policyOf(what: string): Promise<ActivePolicy> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-diff-'))
  try {
    const loaded = await loadPolicy(await bundleOf(what, folder), {
      entrypoints: [DECISION_ENTRYPOINT],
    })
    if (!loaded.ok) throw loaded.error
    return loaded.value.policy
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function bundleOf(what: string, folder: string): Promise<string> {
  const out = join(folder, 'bundle.tar.gz')
  if (what.startsWith('git:')) {
    const source = join(folder, 'rego')
    await extract(what.slice('git:'.length), folder)
    await buildBundle({ source, out, cases: false })
    return out
  }
  const found = await stat(what).catch(() => undefined)
  if (!found) throw new Error(`${what}: there is no bundle, folder or git:<revision> of this name`)
  if (!found.isDirectory()) return what
  await buildBundle({ source: what, out, cases: false })
  return out
}

/** The sources at a revision, without touching what is checked out. */
function extract(revision: string, folder: string): Promise<void> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/~^@{}-]*$/.test(revision))
    throw new Error(`git:${revision}: not a revision`)
  const archive = join(folder, 'sources.tar')
  const run = (file: string, args: readonly string[]): Promise<void> =>
    new Promise((done, fail) => {
      execFile(file, args, (error, _, stderr) => {
        if (error) fail(new Error(`git:${revision}: ${stderr.trim() || error.message}`))
        else done()
      })
    })
  return run('git', ['archive', '--format', 'tar', '--output', archive, revision, 'rego']).then(
    () => run('tar', ['-xf', archive, '-C', folder]),
  )
}

/** For a pull request. */
export function markdown({ total, changes }: Diff): string {
  if (changes.length === 0) return `**Policy:** none of ${total} decisions changes.\n`
  const rows = changes.map(({ kind, description, place, from, to }) => {
    const where = relative(process.cwd(), resolve(place.replace(/:\d+$/, '')))
    const line = /:(\d+)$/.exec(place)?.[1] ?? ''
    return `| ${kind === 'new allow' ? '⚠️ **new allow**' : kind} | ${cell(description)} | ${cell(`${from.effect} (${from.rules.join(', ')})`)} | ${cell(`${to.effect} (${to.rules.join(', ')})`)} | ${cell(`${where}:${line}`)} |`
  })
  return [
    `**Policy:** ${changes.length} of ${total} decisions change.`,
    '',
    '| | decision | from | to | case |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

/** Text of others in a table: nothing of it is markup. */
const cell = (text: string): string =>
  text
    .replace(/[\\`*_{}[\]<>()#+!|~@-]/g, (mark) => `&#${mark.charCodeAt(0)};`)
    .replace(/\s+/g, ' ')
