import { DOCUMENTS } from '../pdp/policy/documents.ts'
import { RegoError } from './compile-rego.ts'
import type { RunOpa } from './opa.ts'
import { withJsonFile } from './policy-data/evaluate-opa.ts'

type Term = { readonly type: string; readonly value: unknown }
type ParsedModule = {
  readonly package: { readonly path: readonly Term[] }
  readonly rules?: readonly {
    readonly head: {
      readonly name?: string
      readonly ref?: readonly Term[]
      readonly args?: unknown
    }
  }[]
}

const QUERY = '[module | some name, text in input; module := rego.parse_module(name, text)]'

/**
 * Every document that rules make, `a/b/c` for `data.a.b.c`, without functions; of a rule whose name has variables the
 * part before them. Compiled as entrypoints, everything that policy knows can be asked for.
 * @throws {RegoError}
 */
export async function regoDocuments(
  opa: RunOpa,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string[]> {
  const texts = Object.fromEntries(
    [...files].map(([name, content]) => [name, Buffer.from(content).toString()]),
  )
  const modules = await withJsonFile(texts, async (input) => {
    const { code, stdout, stderr } = await opa([
      'eval',
      '--format',
      'json',
      '--input',
      input,
      QUERY,
    ])
    if (code !== 0) throw new RegoError((stderr || stdout).trim())
    return (JSON.parse(stdout) as { result: [{ expressions: [{ value: ParsedModule[] }] }] })
      .result[0].expressions[0].value
  })
  const documents = modules.flatMap(({ package: { path }, rules = [] }) =>
    rules
      .filter(({ head }) => head.args === undefined)
      .map(({ head: { ref, name = '' } }) => [
        ...path.slice(1).map(({ value }) => String(value)),
        ...groundPart(ref ?? [{ type: 'var', value: name }]),
      ]),
  )
  return [...new Set(documents.map((path) => path.join('/')))].sort()
}

/**
 * A module whose rules are those documents under another name: OPA's compiler cannot have a rule as an entrypoint that
 * functions depend on.
 */
export function documentsModule(documents: readonly string[]): string {
  const outermost = documents.filter(
    (one) => !documents.some((other) => one.startsWith(`${other}/`)),
  )
  const reference = (parts: readonly string[]): string =>
    parts.map((part) => `[${JSON.stringify(part)}]`).join('')
  const rules = outermost.map((name) => {
    const parts = name.split('/')
    return `all${reference(parts)} := data${reference(parts)}`
  })
  return [`package ${DOCUMENTS}`, ...rules].join('\n\n')
}

/** The first term of a head is its name, a variable to the parser. */
function groundPart([name, ...rest]: readonly Term[]): string[] {
  const end = rest.findIndex(({ type }) => type !== 'string')
  const ground = end === -1 ? rest : rest.slice(0, end)
  return [name, ...ground].map((term) => String(term?.value))
}
