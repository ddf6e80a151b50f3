import type { FilePath } from '../../pdp/contract/facts.ts'
import type { PathList } from './file-paths.ts'
import { type HostList, hostOf } from './hosts.ts'
import { beginsLikeSql, type SqlText } from './sql.ts'
import type { Dialect } from './sql-dialect.ts'

type Op = FilePath['op']
type Input = Readonly<Record<string, unknown>>

/** Fields that hold paths in tools of harnesses and of MCP file servers. */
const pathFields =
  /^((abs(olute)?|rel(ative)?|notebook|source|destination|target|old|new|file|dir(ectory)?|folder|output|input)_?)?(path|file_?name|file|dir|directory|folder|cwd)s?$/i
/** Fields that hold them when they look like it. */
const perhapsPath = /^(source|destination|src|dst|dest|from|to|target|uri|url|glob|pattern)$/i

const urlFields = /^(url|uri|urls|uris|endpoint|base_?url|href|host|hostname|link|website)$/i
const bodyFields = /^(body|data|payload|json|form|content|files?|attachments?)$/i

/** Searches of the web and of code: a `query` of theirs is in nobody's database. */
const searches = /^(WebSearch|web_search|WebFetch|web_fetch|ToolSearch|Grep|Glob|Task|Agent)$/i
const postgres = /postgres|psql|\bpg\b|_pg_|supabase|neon|timescale|cockroach/i

/** Files that a tool's own fields name. @param words the tool's own name, without its server's. */
export function inputPaths(name: string, input: Input, list: PathList): void {
  const op = operation(name, input)
  for (const [field, value] of Object.entries(input)) {
    if (field === 'command') continue
    for (const text of texts(value)) {
      if (/^file:/i.test(text)) list.add(text, op)
      else if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) continue
      else if (pathFields.test(field) || (perhapsPath.test(field) && looksLikePath(field, text)))
        list.add(text, moved(field, op))
    }
  }
  // Where the pattern stands in a folder, both together are the path.
  const { path, pattern } = input
  if (typeof path === 'string' && typeof pattern === 'string' && /^glob$/i.test(name))
    list.add(`${path}/${pattern}`, op)
}

const looksLikePath = (field: string, text: string): boolean =>
  /^pattern$/i.test(field)
    ? /^[~/]|\/\./.test(text) && !/[\s()|\\^]/.test(text)
    : /^[.~/]|[/\\]/.test(text)

/** By the first words of the tool's name. */
function operation(name: string, input: Input): Op {
  const own = name.replace(/^mcp__.+?__/s, '').toLowerCase()
  if (own.startsWith('str_replace')) return input['command'] === 'view' ? 'read' : 'write'
  if (/^(.*_)?(delete|remove|rm|unlink|trash)/.test(own)) return 'delete'
  if (
    /^(.*_)?(write|edit|multiedit|notebookedit|create|append|update|save|put|patch|insert|replace|move|rename|upload|mkdir|copy)/.test(
      own,
    )
  )
    return 'write'
  if (
    /^(.*_)?(read|notebookread|get|list|ls|search|stat|view|open|glob|grep|find|cat|head|tail|download|directory_tree|tree)/.test(
      own,
    )
  )
    return 'read'
  return /(run|exec|execute|start|launch)/.test(own) ? 'execute' : 'unknown'
}

/** What is moved is gone where it was, what is copied is read. */
const moved = (field: string, op: Op): Op =>
  op === 'write' && /^(source|src|from|old)/i.test(field) ? 'unknown' : op

/** Hosts that a tool's own fields name. */
export function inputHosts(name: string, input: Input, list: HostList): void {
  const method = typeof input['method'] === 'string' && /^(post|put|patch)$/i.test(input['method'])
  const body = Object.keys(input).some((field) => bodyFields.test(field))
  for (const [field, value] of Object.entries(input)) {
    if (!urlFields.test(field)) continue
    for (const text of texts(value)) {
      if (/^(file|data|about):/i.test(text)) continue
      // A long address carries more than an address.
      list.add(hostOf(text), name, method || body || text.length > 512)
    }
  }
}

/** SQL in a tool's own fields. @returns what is not text, or no SQL, is left out. */
export function inputSql(name: string, input: Input): SqlText[] {
  const dialect: Dialect = /mysql|mariadb/i.test(name)
    ? 'mysql'
    : /sqlite|duckdb/i.test(name)
      ? 'sqlite'
      : postgres.test(name)
        ? 'postgres'
        : 'unknown'
  const found: SqlText[] = []
  for (const [field, value] of Object.entries(input)) {
    const sure = /^(raw_?)?sql(_(query|statements?|text))?$/i.test(field)
    if (!sure && (!/^(quer(y|ies)|statements?)$/i.test(field) || searches.test(name))) continue
    for (const text of texts(value))
      if (sure ? text.trim() !== '' : beginsLikeSql(text)) found.push({ text, dialect })
  }
  return found
}

/** A text, or a list of them. */
function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}
