import type { Spend } from '../steps.ts'
import { isArray, isSet, sorted, type Value, writeValue } from '../value.ts'
import { elements, object } from './arguments.ts'
import type { Builtins } from './builtin.ts'

export const graph: Builtins = {
  'graph.reachable_paths': (args, { spend }) =>
    reachablePaths(object(args, 0), elements(args, 1), spend),
}

const STEPS_A_NODE = 20

/**
 * Every way from a root until a node without edges, one that is no node, or one that was reached before from the same
 * edge of the root; the edges of a root itself are always followed, also to itself. That a node is reached once is how
 * OPA's compliance suite has it; OPA 1.19 itself goes through a node again that another way passed.
 */
function reachablePaths(
  edges: ReadonlyMap<Value, Value>,
  roots: readonly Value[],
  spend: Spend,
): Value {
  const written = (value: Value): string => writeValue(value, spend)
  const byText = new Map([...edges].map(([node, next]) => [written(node), neighbours(next)]))
  const paths = new Map<string, readonly Value[]>()

  const keep = (path: readonly Value[]): void => void paths.set(written(path), path)
  const walk = (node: Value, before: readonly Value[], reached: Set<string>): void => {
    spend(STEPS_A_NODE + before.length)
    const name = written(node)
    const targets = byText.get(name)
    const path = targets ? [...before, node] : before
    if (!targets || targets.length === 0) return keep(path)
    reached.add(name)
    for (const target of targets)
      if (reached.has(written(target))) keep(path)
      else walk(target, path, reached)
  }
  for (const root of roots) {
    const name = written(root)
    const targets = byText.get(name)
    if (targets?.length === 0) keep([root])
    for (const target of targets ?? []) walk(target, [root], new Set([name]))
  }
  return new Set(paths.values())
}

function neighbours(next: Value): readonly Value[] {
  return isArray(next) ? next : isSet(next) ? sorted(next) : []
}
