import {
  type Assignment,
  type Command,
  forEachChild,
  type HereDoc,
  parse,
  type Pipeline,
  type Redirection,
  type Script,
  type SyntaxNode,
  type Word,
} from 'unbash'
import { type CommandAnalysis, createAnalysis } from './shell-commands.ts'
import { NONE, type ScriptFacts, ShellState, type Stdin, UNKNOWN } from './shell-state.ts'
import { hostOf } from './hosts.ts'
import { runsValue } from './shell-tables.ts'
import { assignedWords, type Token, toToken, wordToken } from './shell-words.ts'

/** Longest script that is parsed, UTF-16 code units. */
const MAX_SCRIPT = 64 * 1024
/** Most substitutions: what is nested in them is read again at each level, and an end that is missing is looked for at each. */
const MAX_SUBSTITUTIONS = 150
const substitutions = /\$\(|[<>]\(|`/g

/**
 * Parses a shell script (bash grammar) into the facts policy sees: every command that it may run, also in
 * substitutions, functions, here-documents and scripts given to shells, without quotes and wrappers. Bounded in
 * length, depth and size; never throws. What is not understood is said in `undetermined` or `incomplete`.
 *
 * Not seen: what another program does with its arguments in a language of its own (`python -c`, `sed`, `tar
 * --to-command`), and what is in files that the script runs.
 */
export function shellFacts(script: string): ScriptFacts {
  const state = new ShellState()
  // Text that reads in another order than it runs.
  if (/[\u202a-\u202e\u2066-\u2069]/.test(script)) state.undetermined('hidden characters')
  try {
    createWalk(state)(script, NONE)
  } catch {
    // Fail closed: a defect here leaves facts that policy refuses.
    state.incomplete('not parsed')
    state.undetermined('syntax')
  }
  return state.facts
}

/** Facts of a command that is given as words, not as a script. */
export function argvFacts(words: readonly string[]): ScriptFacts {
  return shellFacts(words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '))
}

type Node<T extends SyntaxNode['type']> = Extract<SyntaxNode, { type: T }>
type Visitors = {
  readonly [T in SyntaxNode['type']]?: (node: Node<T>, stdin: Stdin) => void
}
type Walk = (script: string, stdin: Stdin) => void

function createWalk(state: ShellState): Walk {
  const walk: Walk = (script, stdin) =>
    state.nested(() => {
      if (script.length > MAX_SCRIPT) {
        state.incomplete('too long')
        state.undetermined('script too long')
        return
      }
      if ([...script.matchAll(substitutions)].length > MAX_SUBSTITUTIONS) {
        state.incomplete('more substitutions than are read')
        state.undetermined('too many substitutions')
        return
      }
      const parsed = parse(script)
      collectValues(parsed, state)
      visit(parsed, stdin)
    })
  const analysis = createAnalysis(state, walk)

  const children = (node: SyntaxNode, stdin: Stdin): void =>
    forEachChild(node, (child) => visit(child, stdin))

  function visit(node: SyntaxNode, stdin: Stdin): void {
    const visitor = visitors[node.type] as ((node: SyntaxNode, stdin: Stdin) => void) | undefined
    if (visitor === undefined) children(node, stdin)
    else visitor(node, stdin)
  }

  /** Nodes that are not named here are only looked into. */
  const visitors: Visitors = {
    Script(node, stdin) {
      syntax(node)
      children(node, stdin)
    },
    Pipeline: pipeline,
    Command(node, stdin) {
      command(node, analysis, stdin)
      // Its words hold substitutions, which run before it and read what it would read.
      children(node, stdin)
    },
    Redirected: (node, stdin) => children(node, redirected(node.redirects, stdin)),
    Coproc: (node) => children(node, UNKNOWN),
    CommandExpansion: substitution,
    ArithmeticCommandExpansion: substitution,
    ProcessSubstitution: (node, stdin) =>
      substitution(node, node.operator === '>' ? UNKNOWN : stdin),
    ParameterExpansion(node, stdin) {
      const { operation } = node
      // `${x@P}` expands the value as a prompt, which runs the substitutions in it.
      if (operation?.type === 'Transform' && operation.operand.value === 'P')
        state.undetermined('prompt expansion')
      if (operation?.type === 'Unknown') state.undetermined('expansion')
      children(node, stdin)
    },
    Assignment(node, stdin) {
      if (assignedWords(node).some((word) => runsValue(node.name, word.value)))
        state.undetermined(`${node.name} is set`)
      for (const word of assignedWords(node).map(wordToken))
        if (/[~/\\]|^\./.test(word.value) && !/\s|:\/\//.test(word.value))
          state.path(word.value, 'unknown')
      children(node, stdin)
    },
    Redirect(node, stdin) {
      const fd = node.descriptor?.type === 'FileDescriptor' ? String(node.descriptor.value) : ''
      redirect(node.operator, node.target?.value)
      state.redirect(`${fd}${node.operator}`, node.target === undefined ? '?' : node.target.value)
      children(node, stdin)
    },
  }

  function redirect(operator: string, target: string | undefined): void {
    if (target === undefined || /^(\d+-?|-)$/.test(target)) return
    const [, host] = /^\/dev\/(?:tcp|udp)\/([^/]*)/.exec(target) ?? []
    if (host !== undefined) state.host(hostOf(host), 'redirect', operator !== '<')
    if (operator.includes('>')) state.wrote(target)
    else if (operator === '<') state.path(target, 'read')
  }

  function substitution(
    node: Node<'CommandExpansion' | 'ArithmeticCommandExpansion' | 'ProcessSubstitution'>,
    stdin: Stdin,
  ): void {
    state.substitution()
    if (node.script === undefined) state.undetermined('substitution')
    state.substituting += 1
    children(node, stdin)
    state.substituting -= 1
  }

  function syntax(script: Node<'Script'>): void {
    if (script.errors === undefined || script.errors.length === 0) return
    state.undetermined('syntax')
    state.incomplete('not parsed')
  }

  function pipeline(node: Pipeline, stdin: Stdin): void {
    let fed = stdin
    for (const [k, part] of node.commands.entries()) {
      const used = k < node.commands.length - 1 ? 1 : 0
      state.substituting += used
      visit(part, fed)
      state.substituting -= used
      fed = part.type === 'Command' ? output(part) : UNKNOWN
    }
  }

  return walk
}

function command(node: Command, analysis: CommandAnalysis, stdin: Stdin): void {
  const words = [...(node.name === undefined ? [] : [node.name]), ...node.args]
  analysis.run(words.map(toToken), [], redirected(node.redirects, stdin))
}

/** What a command reads when these redirections are made. */
function redirected(redirects: readonly Redirection[], stdin: Stdin): Stdin {
  let fed = stdin
  for (const one of redirects) {
    if (one.descriptor?.type === 'FileDescriptor' && one.descriptor.value !== 0) continue
    if (one.type === 'HereDoc') fed = hereDocument(one)
    else if (one.type === 'HereString') fed = one.target ? given(wordToken(one.target)) : UNKNOWN
    else if (one.operator === '<' || one.operator === '<>')
      // A file is what it is, like a script that is run by name; `< <(…)` is a pipe.
      fed =
        one.target && wordToken(one.target).process
          ? UNKNOWN
          : { kind: 'file', path: one.target?.value ?? '?' }
    else if (one.operator === '<&') fed = UNKNOWN
  }
  return fed
}

const given = (token: Token): Stdin =>
  token.dynamic ? UNKNOWN : { kind: 'literal', text: `${token.value}\n` }

function hereDocument({ body, delimiter }: HereDoc): Stdin {
  const dynamic = body.parts?.some((part) => part.type !== 'Literal') ?? false
  return dynamic && delimiter?.quoted !== true ? UNKNOWN : { kind: 'literal', text: body.text }
}

/** What a command writes, when the script says so itself. */
function output(node: Command): Stdin {
  const words = node.args.map(toToken)
  if (words.some((word) => word.dynamic || word.pattern)) return UNKNOWN
  const texts = words.map((word) => word.value)
  switch (node.name?.value ?? '') {
    case 'echo': {
      const option = /^-[neE]+$/.test(texts[0] ?? '')
      const text = texts.slice(option ? 1 : 0).join(' ')
      // `-e` and some shells' echo read backslashes.
      return text.includes('\\') ? UNKNOWN : { kind: 'literal', text }
    }
    case 'printf': {
      const text = texts.length === 2 && /^%s(\\n)?$/.test(texts[0] ?? '') ? texts[1] : texts[0]
      const plain = text !== undefined && texts.length <= 2 && !/[\\%]/.test(text)
      return plain ? { kind: 'literal', text } : UNKNOWN
    }
    case 'cat': {
      const fed = redirected(node.redirects, NONE)
      return texts.length === 0 && fed.kind === 'literal' ? fed : UNKNOWN
    }
    default:
      return UNKNOWN
  }
}

/** Collects what the script assigns, so that flags behind a variable of its own are seen. */
function collectValues(script: Script, state: ShellState): void {
  const functions = new Set<string>()
  const calls: (readonly [string, readonly Token[]])[] = []
  const visit = (node: SyntaxNode): void => {
    if (node.type === 'Assignment') assign(node, state)
    else if (node.type === 'For' || node.type === 'Select') loop(node, state)
    else if (node.type === 'Function') {
      functions.add(node.name.value)
      if (callsOf(node, node.name.value) > 1) state.undetermined('fork bomb')
    } else if (node.type === 'Command' && node.name)
      calls.push([node.name.value, node.args.map(toToken)])
    forEachChild(node, visit)
  }
  visit(script)
  for (const [name, words] of calls) {
    if (name !== 'set' && !functions.has(name)) continue
    for (const [index, word] of words.entries()) {
      if (word.value === '--' || !/^-|\s-/.test(word.value)) continue
      state.assign('@', word.value)
      state.assign('*', word.value)
      state.assign(String(index + 1), word.value)
    }
  }
}

const assign = (node: Assignment, state: ShellState): void =>
  give(node.name, assignedWords(node), state)

const loop = (node: Node<'For' | 'Select'>, state: ShellState): void =>
  give(node.name.value, node.wordlist ?? [], state)

/** Only values that may become flags matter. */
function give(name: string, words: readonly Word[], state: ShellState): void {
  state.assigned.add(name)
  for (const word of words) {
    const { value, computed, variables } = wordToken(word)
    if (computed || variables.some((one) => state.computed.has(one))) state.computed.add(name)
    if (/(^|\s)-/.test(value)) state.assign(name, value)
  }
}

/** How often a function calls itself. */
function callsOf(node: SyntaxNode, name: string): number {
  let count = node.type === 'Command' && node.name?.value === name ? 1 : 0
  forEachChild(node, (child) => {
    count += callsOf(child, name)
  })
  return count
}
