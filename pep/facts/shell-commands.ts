import { argumentCommands, isCommandLine } from './shell-arguments.ts'
import { commandCode, programInput } from './shell-code.ts'
import { commandFiles } from './shell-files.ts'
import { afterOptions, expand, unquoted } from './shell-flags.ts'
import { gitRuns } from './shell-git.ts'
import { commandHosts } from './shell-hosts.ts'
import { commandOptions } from './shell-options.ts'
import { commandSql } from './shell-sql.ts'
import { type ShellState, type Stdin, UNKNOWN } from './shell-state.ts'
import {
  containers,
  execOptions,
  interpreterName,
  interpreters,
  loginShells,
  programName,
  runsValue,
  scriptOptions,
  shells,
  sshValued,
  wrappers as wrapperTable,
} from './shell-tables.ts'
import { splitWrapper } from './shell-wrappers.ts'
import { literal, type Token } from './shell-words.ts'

export type CommandAnalysis = {
  /** Describes one simple command and what it runs in turn. */
  readonly run: (words: readonly Token[], wrappers: readonly string[], stdin: Stdin) => void
}

/** Most wrappers in front of one command, and most words of it. */
const MAX_WRAPPERS = 32
const MAX_WORDS = 4096

type Rest = {
  readonly args: readonly Token[]
  readonly wrappers: readonly string[]
  readonly stdin: Stdin
}

/** @param walk describes a script that a command was given. */
export function createAnalysis(
  state: ShellState,
  walk: (script: string, stdin: Stdin) => void,
): CommandAnalysis {
  function run(words: readonly Token[], wrappers: readonly string[], stdin: Stdin): void {
    const [head, ...args] = words
    if (head === undefined) return
    if (wrappers.length > MAX_WRAPPERS || words.length > MAX_WORDS)
      return state.incomplete('too many words')
    const split = head.behind !== undefined && state.assigned.has(head.behind)
    if (head.program === undefined || head.program === '' || split) {
      state.undetermined('command name')
      record('?', args, wrappers)
      return
    }
    if (/[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/.test(head.program))
      state.undetermined('hidden characters')
    if (head.value.includes('/')) state.path(head.value, 'execute')
    const name = programName(head.program)
    if (wrapped(name, args, wrappers, stdin)) return
    record(name, args, wrappers, stdin)
    consider(name, { args, wrappers, stdin })
  }

  /** Looks through `sudo`, `env`, … to what they run. */
  function wrapped(
    name: string,
    args: readonly Token[],
    before: readonly string[],
    stdin: Stdin,
  ): boolean {
    const wrapper = wrapperTable.get(name)
    if (wrapper === undefined) return false
    const split = splitWrapper(wrapper, args)
    if (split === 'prints') return false
    for (const word of args) setsCode(word.value)
    for (const text of split.scripts) script(text, name, stdin)
    if (split.unknown) state.undetermined(`options of ${name}`)
    if (split.command.length === 0) return false
    // xargs adds words that it reads; when the script says them itself they are known.
    const more =
      name === 'xargs' && stdin.kind === 'literal'
        ? stdin.text.split(/\s+/).filter(Boolean).map(literal)
        : []
    if (name === 'xargs' && split.placeholder !== undefined) {
      const hole = split.placeholder
      const [head] = split.command
      const inShell =
        shells.has(head?.program ?? '') && split.command.some((w) => w.value.includes(hole))
      if (inShell || head?.value.includes(hole)) state.undetermined('xargs makes a command')
    }
    run([...split.command, ...more], [...before, name], name === 'xargs' ? UNKNOWN : stdin)
    return true
  }

  /** `env LD_PRELOAD=x ls` */
  function setsCode(word: string): void {
    const [, variable = '', value = ''] = /^(\w+)=(.*)$/s.exec(word) ?? []
    if (runsValue(variable, value)) state.undetermined(`${variable} is set`)
  }

  function record(
    name: string,
    args: readonly Token[],
    wrappers: readonly string[],
    stdin: Stdin = UNKNOWN,
  ): void {
    const { words, flags, unknown } = expand(args, state.variables)
    if (unknown) state.undetermined(`flags of ${name}`)
    const fits = state.command({
      name,
      args: words,
      flags,
      wrappers: [...state.around, ...wrappers],
    })
    if (!fits) return
    commandFiles(name, args, stdin, state)
    commandHosts(name, args, stdin, state)
    commandSql(name, args, stdin, state, (text) => walk(text, UNKNOWN))
    commandCode(name, args, state)
    commandOptions(name, args, stdin, state)
  }

  function script(text: Token, name: string, stdin: Stdin): void {
    if (text.dynamic) state.undetermined(`script of ${name}`)
    walk(text.value, stdin)
  }

  function consider(name: string, rest: Rest): void {
    const { args, wrappers, stdin } = rest
    if (shells.has(name)) return state.inside(wrappers, () => shell(name, args, stdin))
    if (name === 'eval') return joined('eval', args, stdin)
    if (name === 'trap' && args[0] && !/^(-|$|-[lp])$/.test(args[0].value))
      return script(args[0], name, stdin)
    if (name === 'alias') return aliases(args)
    if (name === 'source' || name === '.') return sourced(args, stdin)
    if (name === 'ssh') return ssh(args, stdin)
    if (name === 'watch') return joined(name, afterOptions(args, 'n'), stdin)
    if (name === 'at' || name === 'batch') return reads('sh', stdin)
    if (name === 'git')
      return gitRuns(args, {
        script: (text) => script(text, name, stdin),
        command: (words) => run(words, [name], stdin),
        joined: (words) => joined(name, words, stdin),
        unknown: () => state.undetermined('git runs a program of its configuration'),
      })
    if (/^(g|m|n)?awk$/.test(name)) return awk(args)
    if (name === 'parallel' && args.every((word) => word.value.startsWith('-')))
      return reads('parallel', stdin)
    options(name, rest)
    interpreter(name, args, stdin)
    if (containers.has(name)) return suffixes(name, args, wrappers, stdin)
    // Without a command of its own, what they read is the script.
    if (loginShells.has(name) && !args.some((word) => word.value.includes('c'))) reads(name, stdin)
    const hidden = argumentCommands(name, args)
    for (const words of hidden.commands) run(words, [...wrappers, name], stdin)
    for (const text of hidden.scripts)
      state.inside([...wrappers, name], () => script(text, name, stdin))
  }

  function shell(name: string, args: readonly Token[], stdin: Stdin): void {
    for (let k = 0; k < args.length; k++) {
      const word = args[k]
      if (word === undefined) break
      const { value } = word
      if (/^[-+][a-zA-Z]*[oO]$/.test(value) || /^--(rcfile|init-file)$/.test(value)) {
        k += 1
        continue
      }
      if (/^-[a-zA-Z]*c[a-zA-Z]*$/.test(value)) {
        const text = args.slice(k + 1).find((next) => !/^[-+][a-zA-Z]/.test(next.value))
        if (text) state.positional(args.slice(args.indexOf(text) + 2))
        if (text) script(text, name, stdin)
        return
      }
      if (/^-[a-zA-Z]*s[a-zA-Z]*$/.test(value)) {
        state.positional(args.slice(k + 1))
        return reads(name, stdin)
      }
      if (value === '--' || (/^[-+]./.test(value) && !word.dynamic)) continue
      return operand(name, word, stdin)
    }
    reads(name, stdin)
  }

  /** The file that an interpreter is to run. */
  function operand(name: string, word: Token, stdin: Stdin): void {
    state.path(word.value, 'execute')
    if (word.process) {
      state.fed(name)
      state.undetermined(`${name} runs what another command writes`)
    } else if (/^(-|\/dev\/stdin|\/(dev|proc\/self)\/fd\/0)$/.test(word.value)) reads(name, stdin)
    // Other descriptors are not followed.
    else if (/^\/(dev|proc\/[^/]+)\/fd\//.test(word.value)) reads(name, UNKNOWN)
  }

  /** A shell that takes its script from standard input. */
  function reads(name: string, stdin: Stdin): void {
    if (stdin.kind === 'none') return
    if (stdin.kind === 'file') return state.path(stdin.path, 'execute')
    state.fed(name)
    if (stdin.kind === 'literal') walk(stdin.text, UNKNOWN)
    else state.undetermined(`${name} runs what another command writes`)
  }

  function interpreter(name: string, args: readonly Token[], stdin: Stdin): void {
    const elsewhere = interpreters.get(interpreterName(name))
    if (elsewhere === undefined) return
    if (args.some((word) => elsewhere.test(word.value))) return
    const file = args.find((word) => !word.value.startsWith('-') || word.value === '-')
    const reads = file === undefined || /^(-|\/dev\/stdin|\/dev\/fd\/\d+)$/.test(file.value)
    if (reads && stdin.kind === 'file') state.path(stdin.path, 'execute')
    else if (file?.process || (reads && stdin.kind !== 'none')) {
      state.fed(name)
      programInput(name, reads ? stdin : UNKNOWN, state)
    } else if (file && !reads) state.path(file.value, 'execute')
  }

  function joined(name: string, args: readonly Token[], stdin: Stdin): void {
    if (args.some((word) => word.dynamic)) state.undetermined(`script of ${name}`)
    if (args.length > 0) walk(args.map((word) => word.value).join(' '), stdin)
  }

  function aliases(args: readonly Token[]): void {
    for (const word of args) {
      const at = word.value.indexOf('=')
      if (at < 0) continue
      if (word.dynamic) state.undetermined('script of alias')
      walk(unquoted(word.value.slice(at + 1)), UNKNOWN)
    }
  }

  function sourced(args: readonly Token[], stdin: Stdin): void {
    const [file] = args
    if (file) operand('source', file, stdin)
  }

  function ssh(args: readonly Token[], stdin: Stdin): void {
    const [, ...remote] = afterOptions(args, sshValued)
    if (remote.length === 0) reads('ssh', stdin)
    else joined('ssh', remote, stdin)
  }

  function awk(args: readonly Token[]): void {
    const runs = /system\s*\(|\|\s*&?\s*(getline|")|"\s*\|/
    if (args.some((word) => runs.test(word.value))) state.undetermined('awk runs a command')
  }

  /** Options that hold a script or begin a command. */
  function options(name: string, { args, wrappers, stdin }: Rest): void {
    const forScripts = scriptOptions.get(name) ?? []
    const forCommands = execOptions.get(name) ?? []
    for (const [k, word] of args.entries()) {
      const [option, ...value] = word.value.split('=')
      const letters = /^-[a-zA-Z]*c$/.test(word.value) && forScripts.includes('-c')
      if (letters || forScripts.includes(option ?? '')) {
        const text = value.length > 0 ? { ...word, value: value.join('=') } : args[k + 1]
        if (text) script(text, name, stdin)
      }
      if (forCommands.includes(word.value)) {
        const end = args.findIndex((next, at) => at > k && /^[;+]$/.test(next.value))
        run(args.slice(k + 1, end < 0 ? undefined : end), [...wrappers, name], UNKNOWN)
      }
    }
  }

  /**
   * Commands inside arguments that are not parsed here: each word may begin one. Words that do not are listed as
   * commands as well; that can only make policy stricter.
   */
  function suffixes(
    name: string,
    args: readonly Token[],
    wrappers: readonly string[],
    stdin: Stdin,
  ): void {
    let tried = 0
    for (const [k, word] of args.entries()) {
      if (word.value.startsWith('-') || word.program === undefined || word.value.includes('='))
        continue
      // Options' values count as well; a command could hide behind them.
      if (tried >= 32) {
        state.incomplete(`too many arguments of ${name}`)
        break
      }
      tried += 1
      const rest = args.slice(k + 1)
      record(word.program, rest, [...wrappers, name], stdin)
      if (shells.has(word.program)) shell(word.program, rest, stdin)
      if (isCommandLine(word)) script(word, name, stdin)
    }
  }

  return { run }
}
