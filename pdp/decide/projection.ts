/**
 * What policy is shown of a request, and what it said of it before. A policy that declares which paths of the input it
 * reads is shown those alone, so that what it says depends on nothing else, and two requests that agree there have one
 * answer.
 */
export type Projection = {
  /** The part of an input that policy is shown. */
  readonly show: (input: unknown) => unknown
  /** Whether it is less than all: then the part is a key. */
  readonly partial: boolean
}

/** @param paths `a.b`, from the bundle; `undefined`: everything is shown. */
export function createProjection(paths: readonly string[] | undefined): Projection {
  if (!paths) return { show: (input) => input, partial: false }
  const tree = treeOf(paths.map((path) => path.split('.')))
  return { show: (input) => pick(input, tree), partial: true }
}

/** `true` shows all that is below. */
type Tree = true | ReadonlyMap<string, Tree>

function treeOf(paths: readonly (readonly string[])[]): Tree {
  if (paths.some((path) => path.length === 0)) return true
  const groups = Map.groupBy(paths, (path) => path[0] ?? '')
  return new Map(
    [...groups].map(([key, below]) => [key, treeOf(below.map((path) => path.slice(1)))]),
  )
}

function pick(value: unknown, tree: Tree): unknown {
  if (tree === true) return value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const picked: Record<string, unknown> = {}
  for (const [key, below] of tree) {
    if (!Object.hasOwn(value, key)) continue
    picked[key] = pick((value as Record<string, unknown>)[key], below)
  }
  return picked
}
