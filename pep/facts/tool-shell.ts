import { argvFacts, shellFacts } from './shell.ts'
import type { ScriptFacts } from './shell-state.ts'

type Input = Readonly<Record<string, unknown>>

/** Fields that hold a script in tools whose name says that they run one. */
const scriptFields = [
  'cmd',
  'commands',
  'command_line',
  'commandline',
  'shell_command',
  'script',
  'bash',
  'input',
]
const runs =
  /bash|shell|exec|terminal|command|\brun\b|(^|_)run(_|$)|ssh|process|console|(^|_)(cmd|sh|zsh)(_|$)/i

/** Tools that run a program of another language, and the fields that hold it. */
const languages =
  /python|jupyter|ipython|notebook|node|javascript|typescript|(^|_)(js|ruby|perl|php|repl|eval|evaluate)(_|$)|code$/i
const codeFields = ['code', 'script', 'source', 'expression', 'function', 'program']

/**
 * The command that a tool is given: in `command` of any tool, and in other fields of those that run commands.
 * @returns undefined when there is none.
 */
export function toolScript(
  name: string,
  input: unknown,
  incomplete: string[],
): ScriptFacts | undefined {
  const bash = name.toLowerCase() === 'bash'
  const fields: Input = isRecord(input) ? input : {}
  const command = fields['command']
  const found =
    command === undefined ? (elsewhere(name, fields) ?? program(name, fields)) : commandOf(fields)
  if (found === undefined) {
    const unread = command !== undefined && (bash || runs.test(name))
    if (unread) incomplete.push('tool.input.command: not text')
    // Bash without a command restarts or reads its shell; it runs nothing.
    return bash && command === undefined ? shellFacts('') : undefined
  }
  incomplete.push(...found.incomplete)
  return found
}

/** `command`, a script or words, and words in `args` behind it. */
function commandOf({ command, args, arguments: others }: Input): ScriptFacts | undefined {
  const more = args ?? others
  if (isWords(command)) return argvFacts([...command, ...(isWords(more) ? more : [])])
  if (typeof command !== 'string') return undefined
  if (typeof more === 'string') return shellFacts(`${command} ${more}`)
  return isWords(more) && more.length > 0
    ? shellFacts(`${command} ${quoted(more)}`)
    : shellFacts(command)
}

function elsewhere(name: string, fields: Input): ScriptFacts | undefined {
  if (!runs.test(name)) return undefined
  const scripts = scriptFields.flatMap((field) => {
    const value = fields[field]
    if (typeof value === 'string') return [value]
    return isWords(value) ? value : []
  })
  return scripts.length > 0 ? shellFacts(scripts.join('\n')) : undefined
}

/** A program as `python -c` would be given it. */
function program(name: string, fields: Input): ScriptFacts | undefined {
  if (!languages.test(name)) return undefined
  for (const field of codeFields) {
    const value = fields[field]
    if (typeof value === 'string')
      return argvFacts(
        /node|js|java|type/i.test(name) ? ['node', '-e', value] : ['python', '-c', value],
      )
  }
  return undefined
}

const quoted = (words: readonly string[]): string =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')

const isWords = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((word) => typeof word === 'string')

const isRecord = (value: unknown): value is Input =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
