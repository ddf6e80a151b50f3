import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import type { PolicyIndex, PolicyRule } from '../pdp/bundle/policy-index.ts'
import { RegoError } from './compile-rego.ts'
import type { RunOpa } from './opa.ts'

/** What rules and entries of policy data say of themselves, with the places they stand at. */

/** Tables whose entries are rules, with the names that decisions give them. */
const prefixes: Readonly<Record<string, string>> = {
  grants: 'grant',
  deny: 'deny',
  approvals: 'approval',
  administration: 'administration',
}

/**
 * @param folder rules, as OPA is given them; paths in the index are relative to it.
 * @param data the folder of policy data; its paths begin with `data/`.
 * @throws {RegoError} also when an entrypoint reads more of the input than it declares.
 */
export async function makePolicyIndex(
  opa: RunOpa,
  folder: string,
  data: string,
  entrypoints: readonly string[],
): Promise<PolicyIndex> {
  const annotated = await annotations(opa, folder)
  const rules = [...annotated.flatMap(ruleOf), ...(await entriesOf(data))]
  const inputs: Record<string, string[]> = {}
  for (const one of annotated) {
    const name = pathOf(one.path).join('/')
    const declared = one.annotations.custom?.inputs
    if (!entrypoints.includes(name) || declared === undefined) continue
    if (!isTexts(declared))
      throw new RegoError(
        `${placeOf(one)}: custom.inputs must be a list of paths, such as context.facts`,
      )
    await refuseUndeclared(opa, folder, name, declared, placeOf(one))
    inputs[name] = declared.toSorted()
  }
  return { complete: true, rules: rules.toSorted(byIdAndPlace), inputs }
}

type Annotated = {
  readonly annotations: {
    readonly title?: string
    readonly description?: string
    readonly custom?: { readonly rule_id?: unknown; readonly inputs?: unknown }
  }
  readonly location: { readonly file: string; readonly row: number }
  readonly path?: readonly { readonly value: unknown }[]
}

async function annotations(opa: RunOpa, folder: string): Promise<readonly Annotated[]> {
  const { code, stdout, stderr } = await opa(
    ['inspect', '--annotations', '--format', 'json', '.'],
    {
      cwd: folder,
    },
  )
  if (code !== 0) throw new RegoError((stderr || stdout).trim())
  return (JSON.parse(stdout) as { annotations?: Annotated[] }).annotations ?? []
}

/** `data.a.b` as a, b. */
const pathOf = (path: Annotated['path']): string[] =>
  (path ?? []).slice(1).map(({ value }) => String(value))

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((one) => typeof one === 'string' && one !== '')

const placeOf = ({ location }: Annotated): string => `${location.file}:${location.row}`

function ruleOf({
  annotations: { title, description, custom },
  location,
}: Annotated): PolicyRule[] {
  if (typeof custom?.rule_id !== 'string') return []
  return [
    {
      id: custom.rule_id,
      ...(title !== undefined && { title }),
      ...(description !== undefined && { description: description.trim() }),
      file: location.file,
      line: location.row,
    },
  ]
}

/**
 * Policy is shown only what it declares, so a path that is missing there would be undefined for good.
 * @throws {RegoError}
 */
async function refuseUndeclared(
  opa: RunOpa,
  folder: string,
  entrypoint: string,
  declared: readonly string[],
  place: string,
): Promise<void> {
  const query = `data.${entrypoint.replaceAll('/', '.')}`
  const { code, stdout, stderr } = await opa(['deps', '--format', 'json', '--data', '.', query], {
    cwd: folder,
  })
  if (code !== 0) throw new RegoError((stderr || stdout).trim())
  const { base = [] } = JSON.parse(stdout) as {
    base?: readonly (readonly { readonly type: string; readonly value: unknown }[])[]
  }
  for (const [root, ...rest] of base) {
    if (root?.value !== 'input') continue
    const path = rest.map(({ type, value }) => (type === 'string' ? String(value) : '*')).join('.')
    const covered = [...declared, ALWAYS].some((one) => path === one || path.startsWith(`${one}.`))
    if (!covered)
      throw new RegoError(
        `${place}: rego_input_error: ${query} reads input.${path}, which custom.inputs does not declare`,
      )
  }
}

/** What the decision service itself adds. */
const ALWAYS = 'context.approval'

async function entriesOf(folder: string): Promise<PolicyRule[]> {
  const rules: PolicyRule[] = []
  for (const name of (await readdir(folder)).sort()) {
    const prefix = prefixes[name.split('.')[0] ?? '']
    if (prefix === undefined || !/\.ya?ml$/.test(name)) continue
    const counter = new LineCounter()
    const document = parseDocument(await readFile(join(folder, name), 'utf8'), {
      lineCounter: counter,
    })
    const entries = document.toJS() as unknown
    if (!Array.isArray(entries)) continue
    for (const [at, entry] of entries.entries()) {
      const { id, description, message } = (entry ?? {}) as Record<string, unknown>
      if (typeof id !== 'string') continue
      const node = document.getIn([at], true) as { range?: [number, number, number] } | undefined
      const text = description ?? message
      rules.push({
        id: `${prefix}.${id}`,
        ...(typeof text === 'string' && { title: text }),
        file: `data/${name}`,
        line: counter.linePos(node?.range?.[0] ?? 0).line,
      })
    }
  }
  return rules
}

const byIdAndPlace = (a: PolicyRule, b: PolicyRule): number =>
  a.id === b.id
    ? a.file === b.file
      ? a.line - b.line
      : a.file < b.file
        ? -1
        : 1
    : a.id < b.id
      ? -1
      : 1
