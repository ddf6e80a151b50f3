import { readFile, stat } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { ask, shownTo } from '../pdp/decide/ask.ts'
import { CHANGE_KINDS, type ChangeKind, changeOf, rulesIn } from '../pdp/decide/change.ts'
import type { Verdict } from '../pdp/contract/decision.ts'
import { cell, kindCell } from './markdown.ts'
import { loadCases } from './policy-data/cases.ts'
import { policyOf } from './policy-sources.ts'

/** Which decisions change between two policies. */
export type Diff = { readonly total: number; readonly changes: readonly Change[] }

export type Change = {
  readonly kind: ChangeKind
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
    const [old, now] = [ask(before, shownTo(before, input)), ask(after, shownTo(after, input))]
    const kind = changeOf(old, now)
    if (kind) changes.push({ kind, description, place, from: said(old), to: said(now) })
    if (at % 100 === 99) onProgress(at + 1, asked.length)
  }
  onProgress(asked.length, asked.length)
  return {
    total: asked.length,
    changes: changes.toSorted(
      (a, b) => CHANGE_KINDS.indexOf(a.kind) - CHANGE_KINDS.indexOf(b.kind),
    ),
  }
}

const said = (verdict: Verdict): Said => ({
  effect: verdict.effect,
  rules: rulesIn(verdict),
  obligations: JSON.stringify(verdict.obligations),
})

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

/** For a pull request. */
export function markdown({ total, changes }: Diff): string {
  if (changes.length === 0) return `**Policy:** none of ${total} decisions changes.\n`
  const rows = changes.map(({ kind, description, place, from, to }) => {
    const where = relative(process.cwd(), resolve(place.replace(/:\d+$/, '')))
    const line = /:(\d+)$/.exec(place)?.[1] ?? ''
    return `| ${kindCell(kind)} | ${cell(description)} | ${cell(`${from.effect} (${from.rules.join(', ')})`)} | ${cell(`${to.effect} (${to.rules.join(', ')})`)} | ${cell(`${where}:${line}`)} |`
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
