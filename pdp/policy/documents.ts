import type { BundleContents } from '../bundle/bundle.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { Engine } from '../engine/engine.ts'
import { isArray, isObject, Num, parseValue, toJson, type Value } from '../engine/value.ts'
import { opaCode } from './opa-code.ts'
import type { DocumentError, QueryDocument } from './policy.ts'

type Path = readonly string[]

/** Package of entrypoints that stand for other documents: `<this>/all/a/b` is `data.a.b`. */
export const DOCUMENTS = 'countersign_documents'
const ALIAS = `${DOCUMENTS}/all/`

/** The document that an entrypoint stands for. */
export const documentOf = (entrypoint: string): string =>
  entrypoint.startsWith(ALIAS) ? entrypoint.slice(ALIAS.length) : entrypoint

/**
 * Any document below `data`, as OPA's data API has it: an entrypoint or a part of one, base data, or both put together
 * above them. Where rules live that no entrypoint was compiled for, nobody knows the answer, and it is an error: taken
 * as undefined it would be a deny rule that does not fire.
 */
export function createDocuments(
  engines: ReadonlyMap<string, Engine>,
  data: Uint8Array,
  { packages, unknown: uncompiled }: Packages,
): QueryDocument {
  const byDocument = new Map(
    [...engines].map(([name, engine]) => [documentOf(name), { name, engine }]),
  )
  const entrypoints = [...byDocument.keys()].map((name) => name.split('/'))
  let base: Value | undefined
  const baseData = (): Value => (base ??= parseValue(Buffer.from(data).toString()))

  return (path, input, options = {}) => {
    const above = longest(entrypoints.filter((one) => startsWith(path, one)))
    if (above) return part(above, path)
    const below = outermost(entrypoints.filter((one) => startsWith(one, path)))
    const unknown = uncompiled.find(
      (one) =>
        startsWith(path, one) ||
        (startsWith(one, path) && !below.some((entrypoint) => startsWith(one, entrypoint))),
    )
    if (unknown) return err(notCompiled(path, unknown))
    let value = at(baseData(), path)
    for (const entrypoint of below) {
      const answer = evaluate(entrypoint)
      if (!answer.ok) return answer
      if (answer.value !== undefined)
        value = place(value, entrypoint.slice(path.length), parseValue(answer.value))
    }
    // A package without rules is an empty document.
    for (const one of packages)
      if (startsWith(one, path) && at(value, one.slice(path.length)) === undefined)
        value = place(value, one.slice(path.length), new Map())
    return ok({ json: value === undefined ? undefined : toJson(value) })

    function part(entrypoint: Path, whole: Path): ReturnType<QueryDocument> {
      const answer = evaluate(entrypoint)
      if (!answer.ok) return answer
      if (answer.value === undefined || entrypoint.length === whole.length)
        return ok({ json: answer.value })
      const found = at(parseValue(answer.value), whole.slice(entrypoint.length))
      return ok({ json: found === undefined ? undefined : toJson(found) })
    }

    function evaluate(entrypoint: Path): Result<string | undefined, DocumentError> {
      const found = byDocument.get(entrypoint.join('/'))
      if (!found) return err(notCompiled(path, entrypoint))
      const answer = found.engine.evaluateText(found.name, input, options)
      if (answer.ok) return answer
      return err({ code: opaCode(answer.error.code), message: answer.error.message })
    }
  }
}

const notCompiled = (path: Path, rules: Path): DocumentError => ({
  code: 'undefined_document_path',
  message: `data.${path.join('.')} may depend on rules in data.${rules.join('.')} that were not compiled: build the bundle with an entrypoint for them`,
})

const startsWith = (path: Path, start: Path): boolean =>
  start.length <= path.length && start.every((part, n) => path[n] === part)

const longest = (paths: readonly Path[]): Path | undefined =>
  paths.toSorted((a, b) => b.length - a.length)[0]

/** Those that are not within another. */
const outermost = (paths: readonly Path[]): readonly Path[] =>
  paths.filter((one) => !paths.some((other) => other !== one && startsWith(one, other)))

/** Where packages are, and those of them that may have rules which were not compiled as entrypoints. */
export type Packages = { readonly packages: readonly Path[]; readonly unknown: readonly Path[] }

export const packagesIn = (bundles: readonly BundleContents[]): Packages => ({
  packages: bundles.flatMap(({ modules }) => [...modules.values()].map(packageOf)),
  unknown: bundles.flatMap(packagesOf),
})

/** Where a bundle may have rules that were not compiled; all of its roots when it does not bring its sources. */
function packagesOf({ wasm, modules, manifest, index }: BundleContents): readonly Path[] {
  if (!wasm || index.complete) return []
  if (modules.size === 0)
    return manifest.roots.map((root) => root.split('/').filter((part) => part !== ''))
  return [...modules.values()].map(packageOf)
}

/** `package a.b["c d"]`; the whole of data when it is not understood. */
export function packageOf(module: string): Path {
  const name = /^[ \t]*package[ \t]+(\S.*)$/m.exec(module)?.[1] ?? ''
  const parts = [...name.matchAll(/^([A-Za-z_]\w*)|\.([A-Za-z_]\w*)|\[("(?:[^"\\]|\\.)*")\]/g)]
  return parts.map(([, first, next, quoted]) =>
    quoted === undefined ? (first ?? next ?? '') : (JSON.parse(quoted) as string),
  )
}

/** A path within a document; numbers are written as text, as in OPA's data API. */
function at(value: Value | undefined, path: Path): Value | undefined {
  const [key, ...rest] = path
  if (key === undefined || value === undefined) return value
  if (isArray(value)) return /^(?:0|[1-9]\d*)$/.test(key) ? at(value[Number(key)], rest) : undefined
  if (!isObject(value)) return undefined
  const found =
    value.get(key) ?? [...value].find(([one]) => one instanceof Num && one.literal === key)?.[1]
  return at(found, rest)
}

/** Virtual documents over base data. */
function place(value: Value | undefined, path: Path, document: Value): Value {
  const [key, ...rest] = path
  if (key === undefined) return document
  const object = value !== undefined && isObject(value) ? new Map(value) : new Map<Value, Value>()
  object.set(key, place(object.get(key), rest, document))
  return object
}
