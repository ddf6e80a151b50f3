import { readFile, writeFile } from 'node:fs/promises'
import { builtins as ours } from '../pdp/engine/builtins/registry.ts'
import { compileModule } from '../pdp/engine/module.ts'
import { compileRego } from './compile-rego.ts'
import { findOpa, type Opa } from './opa.ts'

/**
 * `rego/capabilities.json`: what a policy may call, made from what the engine has. Every `opa check`, `build` and
 * `test` is given it, so that a policy which could not run live fails where it is written.
 */
export const CAPABILITIES = 'rego/capabilities.json'

type Builtin = {
  readonly name: string
  readonly decl: { readonly args?: readonly unknown[] }
  readonly infix?: string
  readonly deprecated?: boolean
}
type Capabilities = { readonly builtins: readonly Builtin[]; readonly [key: string]: unknown }

/** What OPA has, without what its compiler leaves to a host and this engine has not. */
export async function makeCapabilities(opa: Opa): Promise<string> {
  const { code, stdout, stderr } = await opa.run(['capabilities', '--current'])
  if (code !== 0) throw new Error(stderr)
  const all = JSON.parse(stdout) as Capabilities
  const left = await leftToTheHost(opa, all.builtins)
  const builtins = all.builtins.filter(({ name }) => !left.has(name) || Object.hasOwn(ours, name))
  // No host may be reached: whatever asks the network decides differently from day to day.
  return `${JSON.stringify({ ...all, allow_net: [], builtins }, null, 2)}\n`
}

/** Never called by their names in Rego. */
const SYNTAX = /^(?:internal\.|rego\.metadata\.)|^(?:eq|assign|print|walk)$/

/** One module that calls every builtin tells which of them OPA's compiler does not bring along. */
async function leftToTheHost(opa: Opa, all: readonly Builtin[]): Promise<ReadonlySet<string>> {
  const called = all.filter(
    ({ name, infix, deprecated }) =>
      infix === undefined && deprecated !== true && !SYNTAX.test(name),
  )
  const rules = called.map(
    ({ name, decl }, at) =>
      `r${at} := y if y := ${name}(${(decl.args ?? []).map(() => 'anything').join(', ')})`,
  )
  const source = ['package all', 'anything := object.get({}, "a", input.x)', ...rules].join('\n\n')
  const wasm = await compileRego(
    opa,
    new Map([['all.rego', source]]),
    rules.map((_, at) => `all/r${at}`),
  )
  return new Set(compileModule(wasm).builtins.values())
}

/** @returns what is wrong with the committed file; empty when it is what the engine has. */
export async function checkCapabilities(opa: Opa, path = CAPABILITIES): Promise<readonly string[]> {
  const committed = await readFile(path, 'utf8').catch(() => '')
  const current = await makeCapabilities(opa)
  return committed === current
    ? []
    : [`${path}:1: is not what the engine has; run node scripts/capabilities.ts`]
}

if (import.meta.main) {
  const opa = await findOpa({ purpose: 'build' })
  if (!opa.ok) throw new Error(opa.error.message)
  await writeFile(CAPABILITIES, await makeCapabilities(opa.value))
  console.log(`${CAPABILITIES} is what the engine has`)
}
