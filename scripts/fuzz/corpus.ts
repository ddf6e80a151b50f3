import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Found } from './watch.ts'

/** Inputs that found something once, or that are worth trying each time: `test/fuzz/*.json`, replayed by `npm test`. */

export type Kept = {
  readonly target: string
  /** What holds, as a sentence; the name of the test. */
  readonly holds: string
  readonly input: unknown
}

export const CORPUS = join(import.meta.dirname, '../../test/fuzz')

export function readCorpus(): { readonly file: string; readonly kept: Kept }[] {
  return readdirSync(CORPUS)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({ file, kept: JSON.parse(readFileSync(join(CORPUS, file), 'utf8')) as Kept }))
}

/** @returns the file that a finding is in from now on. */
export function keep({ target, error, input, seed }: Found): string {
  const what = error.split(':')[0] ?? ''
  const file = `${target}-${what.replace(/[^a-z0-9]+/gi, '-').slice(0, 60)}-${seed}.json`
  const kept: Kept = { target, holds: `what seed ${seed} found is mended (${what})`, input }
  writeFileSync(join(CORPUS, file), `${JSON.stringify(kept, undefined, 2)}\n`)
  return file
}
