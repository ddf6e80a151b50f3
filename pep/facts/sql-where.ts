type Node = Readonly<Record<string, unknown>>

/** How deep a condition is looked into; what is deeper counts as none. */
const MAX_DEPTH = 64

/**
 * Whether a WHERE leaves any row out, as far as its text tells: `true`, `1 = 1`, `id = id` and `… or true` do not.
 * A condition that is always true on the data (`id > 0`) cannot be told from one that is not.
 */
export function restricts(node: unknown, depth = 0): boolean {
  if (!isNode(node) || depth > MAX_DEPTH) return false
  const [entry] = Object.entries(node)
  if (entry === undefined || !isNode(entry[1])) return false
  const [type, body] = [entry[0], entry[1]]
  if (type === 'BoolExpr') {
    const args = Array.isArray(body['args']) ? body['args'] : []
    if (body['boolop'] === 'OR_EXPR') return args.every((arm) => restricts(arm, depth + 1))
    return args.some((arm) => restricts(arm, depth + 1))
  }
  if (type === 'CurrentOfExpr') return true
  if (type === 'A_Expr' && same(body['lexpr'], body['rexpr'])) return false
  return JSON.stringify(node).includes('"ColumnRef"')
}

const same = (left: unknown, right: unknown): boolean => text(left) === text(right)

const text = (node: unknown): string =>
  JSON.stringify(node, (key, value: unknown) => (key === 'location' ? undefined : value)) ?? ''

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
