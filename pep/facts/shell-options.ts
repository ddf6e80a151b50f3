import { afterOptions } from './shell-flags.ts'
import type { ShellState, Stdin } from './shell-state.ts'
import type { Token } from './shell-words.ts'

/** Options, and words, by which programs run others. From their manual pages. */
const running: ReadonlyMap<string, RegExp> = new Map([
  [
    'tar',
    /^(-[a-zA-Z]*F$|--(checkpoint-action|to-command|info-script|new-volume-script|rsh-command|rmt-command))/,
  ],
  ['zip', /^(-TT|--unzip-command)/],
  ['sort', /^--comp/],
  ['split', /^--filt/],
  ['man', /^(-[a-zA-Z]*[PH]|--(pager|html))/],
  ['ssh', /^(-o)?\s*"?(Proxy|Local|KnownHosts)Command/i],
  ['scp', /^(-S|(-o)?\s*"?(Proxy|Local|KnownHosts)Command)/i],
  ['sftp', /^(-S|(-o)?\s*"?(Proxy|Local|KnownHosts)Command)/i],
  ['hash', /^-p/],
  ['enable', /^-f/],
  ['complete', /^-C/],
  ['compgen', /^-C/],
  ['mapfile', /^-C/],
  ['readarray', /^-C/],
  ['bind', /^-x/],
  ['fc', /^-[se]/],
  ['history', /^-s/],
  ['nmap', /^--(script|interactive)/],
  ['tcpdump', /^-[a-zA-Z]*z/],
  ['wget', /^--use-askpass|^-e$|^--execute/],
  ['pip', /^--(editable-)?config-settings/],
])

/** Options that name a program, harmless when it is one of these. */
const filters: ReadonlyMap<string, readonly [option: RegExp, harmless: RegExp]> = new Map([
  [
    'tar',
    [
      /^(?:-[a-zA-Z]*I|--use-compress-program)(?:=|$)(.*)$/s,
      /^(gzip|pigz|bzip2|pbzip2|xz|pixz|zstd|zstdmt|lz4|lzop|brotli)( -[\w=-]+)*$/,
    ],
  ],
  [
    'rsync',
    [
      /^(?:-[a-zA-Z]*e|--rsh|--rsync-path)(?:=|$)(.*)$/s,
      /^ssh( -[ipl46Cqv]( ?[\w./~@][\w./~@-]*)?)*$/,
    ],
  ],
])

/** Programs whose first word says what they do, with git's options that take a value. */
const subcommands = /^(git|docker|podman|nerdctl|kubectl|oc|terraform|tofu|aws|gcloud|az|helm|gh)$/
/** Programs whose arguments decide between harmless and not. */
const decisive = /^(rm|find|dd|truncate|chmod|chown|mv|tar|rsync)$/
const whollyComputed = /^(\$\([^]*\)|`[^]*`)$/

/** What a program is told by words that only running would tell. */
function unknownWords(name: string, args: readonly Token[], state: ShellState): void {
  if (subcommands.test(name)) {
    const operands = name === 'git' ? afterOptions(args, 'Cc') : args.filter(isOperand)
    if (operands[0]?.dynamic) state.undetermined(`command of ${name}`)
  }
  const decides =
    decisive.test(name) ||
    (name === 'git' && args.some(({ value }) => /^(push|clean)$/.test(value)))
  const computed = (word: Token, k: number): boolean =>
    word.computed && isOperand(word, k, args) && whollyComputed.test(word.value)
  if (decides && args.some(computed)) state.undetermined(`flags of ${name}`)
}

/** Whether a word is neither an option nor what may be the value of one. */
const isOperand = (word: Token, k: number, args: readonly Token[]): boolean =>
  !word.value.startsWith('-') && !/^-[^=]*$/.test(args[k - 1]?.value ?? '')

/** Programs whose standard input is, or can run, commands. */
const readers = /^(ed|ex|red|crontab|gdb|expect|irb|ghci|iex|sqlplus|ftp|debugfs|parted|fdisk)$/

/** Says that a command runs another by an option, in a way that is not looked into. */
export function commandOptions(
  name: string,
  args: readonly Token[],
  stdin: Stdin,
  state: ShellState,
): void {
  unknownWords(name, args, state)
  const option = running.get(name)
  if (option && args.some((word) => option.test(word.value)))
    state.undetermined(`${name} runs what an option names`)
  const [filter, harmless] = filters.get(name) ?? []
  for (const [k, word] of args.entries()) {
    const glued = filter?.exec(word.value)
    if (glued && harmless && !harmless.test(glued[1] || (args[k + 1]?.value ?? '')))
      state.undetermined(`${name} runs what an option names`)
  }
  const texts = args.map((word) => word.value)
  if (name === 'sed' && texts.some(sedRuns)) state.undetermined('sed runs a command')
  if (name === 'sed' || /^[gmn]?awk$/.test(name)) for (const text of texts) written(text, state)
  if (/^g?make$/.test(name)) {
    const from = texts.some(
      (text, k) => /^-(f|$)/.test(text) && /^(-|\/dev\/)/.test(texts[k + 1] ?? ''),
    )
    if (from || texts.some((text) => /^(SHELL|--eval)=|^-f-|^--eval/.test(text)))
      state.runsCode(name)
  }
  if (readers.test(name) && stdin.kind !== 'none') state.runsCode(name)
  if (name === 'crontab' && texts.some((text) => !/^-(l|u|[a-z]*r)/.test(text)))
    state.runsCode(name)
  if ((name === 'at' || name === 'batch') && texts.some((text) => text.startsWith('-f')))
    state.runsCode(name)
  if (name === 'cmd' && texts.some((text) => /^\/[ck]/i.test(text))) state.runsCode(name)
  if (name === 'find')
    for (const [k, text] of texts.entries())
      if (/^-f(print0?|printf|ls)$/.test(text)) state.wrote(texts[k + 1] ?? '?')
}

/** Files that a program of awk or sed writes. */
function written(program: string, state: ShellState): void {
  if (program.length > MAX_PROGRAM) return state.runsCode('awk')
  for (const [, awk, sed] of program.matchAll(/>\s*"([^"]+)"|(?:^|[;{\n/|,0-9])\s*w\s+(\S+)/g))
    state.wrote(awk ?? sed ?? '')
}

/** Longest program that is looked at: what the patterns below take grows with its square. */
const MAX_PROGRAM = 2048

/** The `e` command of GNU sed, and the `e` flag of its `s`. */
function sedRuns(text: string): boolean {
  if (text.length > MAX_PROGRAM) return true
  const program = text
    .replace(/^(-e|--expression=)/, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join('\n')
  const command = /(^|[;{\n]|\d|\$|\/)\s*e(\s|$)/.test(program) && !/^[\w./-]+$/.test(text)
  return command || substitutes.test(program)
}

const substitutes =
  /(?:^|[;{\n])\s*(?:\d+|\$|\/[^/]*\/)?\s*s([^\w\s\\])(?:\\[^]|(?!\1)[^\\])*\1(?:\\[^]|(?!\1)[^\\])*\1[gpimIM0-9]*e/
