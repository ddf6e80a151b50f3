import type { SqlStatement } from '../../pdp/contract/facts.ts'
import { around, changes, code, effects, kinds, quiet, runsText } from './sql-tables.ts'
import { restricts } from './sql-where.ts'

type Node = Readonly<Record<string, unknown>>

/** Most nodes of one statement that are looked at. */
const MAX_NODES = 50_000
const MAX_NAMES = 256

export type Described = {
  readonly statements: readonly SqlStatement[]
  /** Whether it runs text that is not parsed. */
  readonly code: boolean
  /** Whether all of it was looked at. */
  readonly whole: boolean
}

/**
 * Describes a parsed statement, and those that change data inside it as statements of their own.
 * @param tree as libpg_query writes it: `{ SelectStmt: { … } }`.
 */
export function describeStatement(tree: unknown): Described {
  const [type = '', node] = isNode(tree) ? (Object.entries(tree)[0] ?? []) : []
  if (!isNode(node)) return { statements: [], code: true, whole: false }
  const inner = around.has(type) ? node['query'] : undefined
  if (isNode(inner) && (type !== 'ExplainStmt' || analyzes(node))) return describeStatement(inner)
  const found = look(type, node)
  // A plan is made and nothing run.
  if (type === 'ExplainStmt') found.nested.length = 0
  const changing = [...found.nested].map(([name, one]) => statement(name, one, look(name, one)))
  const self = statement(type, node, found)
  const runsCode =
    code.has(type) ||
    found.functions.some((name) => runsText.has(name.slice(name.lastIndexOf('.') + 1)))
  const whole = found.whole && found.tables.length <= MAX_NAMES && found.columns.length <= MAX_NAMES
  return { statements: [self, ...changing], code: runsCode, whole }
}

/** Whether EXPLAIN runs what it explains. */
const analyzes = (explain: Node): boolean =>
  JSON.stringify(explain['options'] ?? []).includes('"analyze"')

type Looked = {
  readonly tables: string[]
  readonly columns: string[]
  readonly functions: string[]
  readonly nested: (readonly [type: string, node: Node])[]
  /** Whether a SELECT makes a table. */
  into: boolean
  whole: boolean
}

function statement(type: string, node: Node, found: Looked): SqlStatement {
  const kind = kindOf(type, node)
  const copies = kind === 'copy' ? copied(node) : undefined
  const called = found.functions.some((name) => effects.test(name.slice(name.lastIndexOf('.') + 1)))
  const writes =
    (!quiet.has(type) && !(kind === 'copy' && node['is_from'] !== true && copies === 'client')) ||
    found.into ||
    found.nested.length > 0 ||
    called
  const columns = unique(found.columns)
  return {
    kind,
    tables: unique([...found.tables, ...dropped(type, node)]),
    ...(columns.length > 0 && { columns }),
    writes,
    has_where: node['whereClause'] !== undefined && restricts(node['whereClause']),
    functions: unique(found.functions),
    ...(copies && { copies }),
  }
}

const unique = (names: readonly string[]): string[] => [...new Set(names)].slice(0, MAX_NAMES)

function kindOf(type: string, node: Node): SqlStatement['kind'] {
  if (type === 'AlterTableStmt' && JSON.stringify(node['cmds'] ?? []).includes('AT_DropColumn'))
    return 'drop'
  const known = kinds.get(type)
  if (known) return known
  if (type.startsWith('Create')) return 'create'
  return type.startsWith('Alter') ? 'alter' : 'other'
}

function copied(node: Node): SqlStatement['copies'] {
  if (node['is_program'] === true) return 'program'
  return node['filename'] === undefined ? 'client' : 'file'
}

/** Names that a DROP of tables gives as lists of words. */
function dropped(type: string, node: Node): string[] {
  const tables = /^OBJECT_(TABLE|VIEW|MATVIEW|FOREIGN_TABLE)$/
  if (type !== 'DropStmt' || !tables.test(String(node['removeType']))) return []
  const objects = Array.isArray(node['objects']) ? node['objects'] : []
  return objects.map((object) => names(isNode(object) ? object['List'] : object))
}

/** The words below a node, joined with dots, in lower case. */
function names(node: unknown): string {
  const found: string[] = []
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit)
    else if (isNode(value))
      for (const [key, below] of Object.entries(value))
        if (key === 'sval' && typeof below === 'string') found.push(below)
        else if (key === 'A_Star') found.push('*')
        else if (key !== 'Star') visit(below)
  }
  visit(node)
  return found.join('.').toLowerCase()
}

/** Names of common table expressions that are in sight. */
type Scope = ReadonlySet<string>
type Item = { readonly value: unknown; readonly type: string; readonly scope: Scope }

/** Without recursion: what a caller writes may nest deeper than the stack. */
function look(type: string, root: Node): Looked {
  const found: Looked = {
    tables: [],
    columns: [],
    functions: [],
    nested: [],
    into: false,
    whole: true,
  }
  const items: Item[] = [{ value: root, type, scope: new Set() }]
  for (let seen = 0; items.length > 0; seen++) {
    const item = items.pop()
    if (item === undefined) break
    if (seen > MAX_NODES) {
      found.whole = false
      break
    }
    if (Array.isArray(item.value))
      for (const value of item.value) items.push({ ...item, value, type: '' })
    else if (isNode(item.value)) visit(item.value, item, root, found, items)
  }
  return found
}

function visit(node: Node, { type, scope }: Item, root: Node, found: Looked, items: Item[]): void {
  if (typeof node['relname'] === 'string') {
    const name = [node['catalogname'], node['schemaname'], node['relname']]
      .filter((part) => typeof part === 'string')
      .join('.')
      .toLowerCase()
    if (type === 'target' || !scope.has(name)) found.tables.push(name)
  }
  if (node['intoClause'] !== undefined) found.into = true
  if (type === 'ColumnRef') found.columns.push(names(node).split('.').at(-1) ?? '')
  if (type === 'column' && typeof node['name'] === 'string')
    found.columns.push(node['name'].toLowerCase())
  if (type === 'FuncCall')
    found.functions.push(names(node['funcname']).replace(/^pg_catalog\./, ''))
  if (changes.has(type) && node !== root) found.nested.push([type, node])
  const inner = withScope(node, scope, items)
  const columns = type === 'InsertStmt' ? 'cols' : type === 'UpdateStmt' ? 'targetList' : ''
  for (const [key, value] of Object.entries(node)) {
    if (key === 'withClause') continue
    // What is written to is a table whatever WITH calls so.
    const target = key === 'relation' && changes.has(type)
    const wrapped = isNode(value) && /^[A-Z]/.test(key)
    if (key === columns && Array.isArray(value))
      for (const one of value)
        items.push({ value: isNode(one) ? one['ResTarget'] : one, type: 'column', scope: inner })
    else items.push({ value, type: target ? 'target' : wrapped ? key : '', scope: inner })
  }
}

/** The scope below a node with WITH. One expression sees those before it; with RECURSIVE all of them. */
function withScope(node: Node, outer: Scope, items: Item[]): Scope {
  const clause = node['withClause']
  if (!isNode(clause) || !Array.isArray(clause['ctes'])) return outer
  const all = clause['ctes'].map((one: unknown) =>
    isNode(one) && isNode(one['CommonTableExpr']) ? one['CommonTableExpr'] : {},
  )
  const nameOf = (one: Node): string => String(one['ctename']).toLowerCase()
  const every = new Set([...outer, ...all.map(nameOf)])
  let before = outer
  for (const one of all) {
    items.push({ value: one, type: '', scope: clause['recursive'] === true ? every : before })
    before = new Set([...before, nameOf(one)])
  }
  return every
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
