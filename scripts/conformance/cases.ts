import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

/** Cases of OPA's compliance suite: its own YAML (`v1/test/cases/testdata`), or the same as JSON, an array a file. */

const oneCase = z.object({
  note: z.string(),
  query: z.string(),
  modules: z.array(z.string()).nullish(),
  data: z.unknown().optional(),
  input: z.unknown().optional(),
  /** Rego, for what JSON cannot say. */
  input_term: z.string().nullish(),
  want_result: z.array(z.record(z.string(), z.unknown())).nullish(),
  want_error_code: z.string().nullish(),
  want_error: z.string().nullish(),
  sort_bindings: z.boolean().nullish(),
  strict_error: z.boolean().nullish(),
})

const caseFile = z.union([
  z.array(oneCase),
  z.object({ cases: z.array(oneCase).nullish() }).transform(({ cases }) => cases ?? []),
])

export type ConformanceCase = z.infer<typeof oneCase> & {
  /** Relative to the folder that was read. */
  readonly file: string
  /** Folder or file that the case belongs to. */
  readonly family: string
}

/**
 * Reads every case below a folder.
 * @throws {Error} naming the file that is not understood.
 */
export async function readCases(folder: string): Promise<ConformanceCase[]> {
  const files = (await stat(folder)).isFile() ? [folder] : await listFiles(folder)
  const cases: ConformanceCase[] = []
  for (const path of files) {
    const file = relative(folder, path) || path
    const read = caseFile.safeParse(parseText(path, await readFile(path, 'utf8')))
    if (!read.success)
      throw new Error(`${file}: not conformance cases: ${z.prettifyError(read.error)}`)
    for (const one of read.data) cases.push({ ...one, file, family: familyOf(file) })
  }
  return cases
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && /\.(?:json|ya?ml)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

const familyOf = (file: string): string =>
  file.split('/')[0]?.replace(/\.(?:json|ya?ml)$/, '') ?? file

/** Numbers keep their literals: `JSON.rawJSON` holds those that JavaScript's numbers would change. */
function parseText(path: string, text: string): unknown {
  if (path.endsWith('.json')) return JSON.parse(text, keepLiteral as never)
  return parse(text, keepNumbers, { intAsBigInt: true, merge: true })
}

type RawJson = { rawJSON: (literal: string) => unknown }

function keepLiteral(_key: string, value: unknown, { source }: { source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source
    ? (JSON as unknown as RawJson).rawJSON(source)
    : value
}

const keepNumbers = (_key: unknown, value: unknown): unknown =>
  typeof value === 'bigint'
    ? Number.isSafeInteger(Number(value))
      ? Number(value)
      : (JSON as unknown as RawJson).rawJSON(String(value))
    : value
