import type { ShellFacts, SqlFacts, ToolFacts } from '../../pdp/contract/facts.ts'
import { createPathList } from './file-paths.ts'
import { createHostList } from './hosts.ts'
import type { ScriptFacts } from './shell-state.ts'
import { sqlFacts } from './sql.ts'
import { inputHosts, inputPaths, inputSql } from './tool-inputs.ts'
import { toolScript } from './tool-shell.ts'

/** What a tool call is known by. */
export type ToolCallFacts = {
  readonly tool: ToolFacts
  /** Set for Bash, and for every tool that takes a `command`. */
  readonly shell?: ShellFacts
  /** Set when there is SQL in its fields or its command. */
  readonly sql?: SqlFacts
  readonly incomplete: readonly string[]
}

/** Fields that hold documents: what is cut off of them is no reason to refuse the call. */
const documents: ReadonlySet<string> = new Set([
  'content',
  'new_string',
  'old_string',
  'file_text',
  'new_str',
  'old_str',
  'new_source',
  'prompt',
  'plan',
])
const SHORT = 512
/** Longest value that is given whole, and room for all of them, UTF-16 code units. */
const LONG = 8 * 1024
const ROOM = 24 * 1024
const MAX_FIELDS = 64

/** @param bytes size of the input as it was written. */
export function toolFacts(name: string, input: unknown, bytes: number): ToolCallFacts {
  const incomplete: string[] = []
  const script = toolScript(name, input, incomplete)
  const shell = script?.facts
  const { paths, hosts } = reached(name, input, script, incomplete)
  const sql = databases(name, input, script, incomplete)
  const fields: Record<string, string> = {}
  let room = ROOM
  for (const [field, value] of isRecord(input) ? Object.entries(input) : []) {
    if (typeof value !== 'string') continue
    const covered = documents.has(field) || (field === 'command' && shell !== undefined)
    const most = Math.min(covered ? SHORT : LONG, room)
    room -= Math.min(value.length, most) + field.length
    // Fail closed: a rule that looks into a value must not be fooled by where it was cut.
    if (value.length > most && !covered) incomplete.push(`tool.input.${field.slice(0, 64)}: cut`)
    if (Object.keys(fields).length >= MAX_FIELDS || room < 0) {
      incomplete.push('tool.input: more than fits')
      break
    }
    Object.defineProperty(fields, field, { value: value.slice(0, most), enumerable: true })
  }
  if (!isRecord(input)) incomplete.push('tool.input: not an object')
  const mcp = /^mcp__(.+?)__(.+)$/s.exec(name)
  return {
    tool: {
      name,
      ...(mcp && { mcp: { server: mcp[1] ?? '', tool: mcp[2] ?? '' } }),
      input_bytes: bytes,
      input: fields,
      paths,
      hosts,
    },
    ...(shell && { shell }),
    ...(sql && { sql }),
    incomplete: [...new Set(incomplete)],
  }
}

function reached(
  name: string,
  input: unknown,
  script: ScriptFacts | undefined,
  incomplete: string[],
): Pick<ToolFacts, 'paths' | 'hosts'> {
  const say = (why: string): void => void incomplete.push(`tool.${why}`)
  const files = createPathList(say)
  const places = createHostList(say)
  if (isRecord(input)) {
    inputPaths(name, input, files)
    inputHosts(name, input, places)
  }
  return {
    paths: [...files.paths, ...(script?.paths ?? [])],
    hosts: [...places.hosts, ...(script?.hosts ?? [])],
  }
}

function databases(
  name: string,
  input: unknown,
  script: ScriptFacts | undefined,
  incomplete: string[],
): SqlFacts | undefined {
  const texts = [...(isRecord(input) ? inputSql(name, input) : []), ...(script?.sql ?? [])]
  const unseen = script?.sqlUndetermined ?? new Set<string>()
  if (texts.length === 0 && unseen.size === 0) return undefined
  const found = sqlFacts(texts, unseen)
  incomplete.push(...found.incomplete)
  const { statements, undetermined } = found.facts
  // What only might have been SQL was none.
  return statements.length + undetermined.length > 0 ? found.facts : undefined
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
