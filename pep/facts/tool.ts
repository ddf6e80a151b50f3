import type { ShellFacts, ToolFacts } from '../../pdp/contract/facts.ts'
import { argvFacts, shellFacts } from './shell.ts'

/** What a tool call is known by. */
export type ToolCallFacts = {
  readonly tool: ToolFacts
  /** Set for Bash, and for every tool that takes a `command`. */
  readonly shell?: ShellFacts
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
  const shell = shellOf(name, input, incomplete)
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
    },
    ...(shell && { shell }),
    incomplete,
  }
}

function shellOf(name: string, input: unknown, incomplete: string[]): ShellFacts | undefined {
  const bash = name.toLowerCase() === 'bash'
  const command = isRecord(input) ? input['command'] : undefined
  // Bash without a command restarts or reads its shell; it runs nothing.
  if (command === undefined) return bash ? shellFacts('').facts : undefined
  const words = Array.isArray(command) && command.every((word) => typeof word === 'string')
  if (typeof command !== 'string' && !words) {
    if (bash) incomplete.push('tool.input.command: not text')
    return undefined
  }
  const parsed = typeof command === 'string' ? shellFacts(command) : argvFacts(command)
  incomplete.push(...parsed.incomplete)
  return parsed.facts
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
