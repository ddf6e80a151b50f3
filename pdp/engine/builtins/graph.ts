import { BuiltinError } from '../errors.ts'
import { isArray, isSet, sorted, type Value, writeValue } from '../value.ts'
import { elements, object } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const graph: Builtins = {
  'graph.reachable_paths': (args) => reachablePaths(object(args, 0), elements(args, 1)),
}

/** More is an attack on memory: paths double at every fork. */
const MOST_PATHS = 100_000

/**
 * Every way from a root until a node without edges, one that is no node, or one that was reached before from the same
 * edge of the root; the edges of a root itself are always followed, also to itself. That a node is reached once is how
 * OPA's compliance suite has it; OPA 1.19 itself goes through a node again that another way passed.
 */
function reachablePaths(edges: ReadonlyMap<Value, Value>, roots: readonly Value[]): Value {
  const byText = new Map([...edges].map(([node, next]) => [writeValue(node), neighbours(next)]))
  const paths = new Map<string, readonly Value[]>()

  const keep = (path: readonly Value[]): void => {
    if (paths.size >= MOST_PATHS)
      throw new BuiltinError('eval_builtin_error', `more than ${MOST_PATHS} paths`)
    paths.set(writeValue(path), path)
  }
  const walk = (node: Value, before: readonly Value[], reached: Set<string>): void => {
    const targets = byText.get(writeValue(node))
    const path = targets ? [...before, node] : before
    if (!targets || targets.length === 0) return keep(path)
    reached.add(writeValue(node))
    for (const target of targets)
      if (reached.has(writeValue(target))) keep(path)
      else walk(target, path, reached)
  }
  for (const root of roots) {
    const name = writeValue(root)
    const targets = byText.get(name)
    if (targets?.length === 0) keep([root])
    for (const target of targets ?? []) walk(target, [root], new Set([name]))
  }
  return new Set(paths.values())
}

function neighbours(next: Value): readonly Value[] {
  return isArray(next) ? next : isSet(next) ? sorted(next) : []
}
