import { quotedPaths } from './shell-files.ts'
import type { ShellState, Stdin } from './shell-state.ts'
import { interpreterName } from './shell-tables.ts'
import type { Token } from './shell-words.ts'

/** Options that hold a program, by interpreter. */
const programOptions: ReadonlyMap<string, RegExp> = new Map([
  ['python', /^-[a-zA-Z]*c(.*)$/s],
  ['pypy', /^-[a-zA-Z]*c(.*)$/s],
  ['node', /^(?:-[a-z]*[ep]|--eval|--print)(?:=|$)(.*)$/s],
  ['nodejs', /^(?:-[a-z]*[ep]|--eval|--print)(?:=|$)(.*)$/s],
  ['bun', /^(?:-[ep]|--eval|--print)(?:=|$)(.*)$/s],
  ['deno', /^eval()$/],
  ['perl', /^-[a-zA-Z0-9.]*[eE](.*)$/s],
  ['ruby', /^-[a-zA-Z]*e(.*)$/s],
  ['php', /^(?:-[rBRE]|--run)(.*)$/s],
  ['lua', /^-e(.*)$/s],
  ['Rscript', /^-e(.*)$/s],
  ['R', /^-e(.*)$/s],
  ['osascript', /^-e(.*)$/s],
  ['pwsh', /^-(?:c|e)\w*()$/i],
  ['powershell', /^-(?:c|e)\w*()$/i],
  ['mongosh', /^--eval(?:=|$)(.*)$/s],
  ['mongo', /^--eval(?:=|$)(.*)$/s],
  ['nu', /^(?:-[a-z]*c|--commands)(?:=|$)(.*)$/s],
  ['xonsh', /^-c(.*)$/s],
  ['elvish', /^-c(.*)$/s],
  ['tclsh', /^-c(.*)$/s],
  ['expect', /^-c(.*)$/s],
  ['julia', /^-[eE](.*)$/s],
  ['groovy', /^-e(.*)$/s],
  ['scala', /^-e(.*)$/s],
  ['jshell', /^-(.*)$/s],
  ['gdb', /^(?:-ex|-iex|--eval-command)(?:=|$)(.*)$/s],
  ['vim', /^(?:-c|--cmd|\+)(.*)$/s],
  ['vi', /^(?:-c|--cmd|\+)(.*)$/s],
  ['nvim', /^(?:-c|--cmd|\+)(.*)$/s],
  ['ex', /^(?:-c|\+)(.*)$/s],
  ['emacs', /^--(?:eval|execute)(?:=|$)(.*)$/s],
])

/** Says that a command runs a program in another language, unless its text is plainly harmless. */
export function commandCode(name: string, args: readonly Token[], state: ShellState): void {
  const language = programOptions.has(name) ? name : interpreterName(name)
  const option = programOptions.get(language)
  if (option === undefined) return
  // A module that runs its arguments.
  const modules = args.map((word, k) =>
    word.value === '-m' ? `-m${args[k + 1]?.value}` : word.value,
  )
  if (modules.some((word) => /^-\w*m(timeit|pdb|cProfile|profile|trace|runpy)$/.test(word)))
    state.runsCode(name)
  for (const [k, word] of args.entries()) {
    const glued = option.exec(word.value)
    if (!glued) continue
    const program = glued[1] ? { ...word, value: glued[1] } : args[k + 1]
    if (program) programText(name, program.value, program.dynamic, state)
    if (language !== 'gdb') return
  }
}

/** A program that an interpreter reads from standard input. */
export function programInput(name: string, stdin: Stdin, state: ShellState): void {
  if (stdin.kind === 'literal') programText(name, stdin.text, false, state)
  else state.runsCode(name)
}

function programText(name: string, text: string, dynamic: boolean, state: ShellState): void {
  quotedPaths(text, state)
  if (dynamic || !isHarmless(interpreterName(name), text)) state.runsCode(name)
}

/** Longest program that is looked at. */
const MAX_PROGRAM = 4096

/**
 * Whether a program only computes and prints. By what it may use, not by what it may not: each call must be of a function
 * that is named here, and modules of those that touch nothing. Whatever could reach another function by way of a value
 * (reflection, indexes, templates) is no longer plain.
 */
function isHarmless(language: string, text: string): boolean {
  if (text.length > MAX_PROGRAM || reflective.test(text) || !/^[\t\n\r -~]*$/.test(text))
    return false
  if (/^(python|pypy)/.test(language)) {
    const modules = [...text.matchAll(/\b(?:from|import)\s+([\w.]+(?:\s*,\s*[\w.]+)*)/g)]
    const named = modules.flatMap(([whole, list = '']) =>
      // What `from` takes out of a module is called by its own name.
      whole.startsWith('from') ? [list] : list.split(',').map((one) => one.trim()),
    )
    return (
      named.every((module) => pythonModules.has(module) || pythonNames.test(module)) &&
      callsOnlyKnown(text)
    )
  }
  if (language === 'node' || language === 'nodejs' || language === 'bun') {
    const read = text.replace(/\brequire\(\s*(['"])[\w./-]+\.json\1\s*\)/g, 'data')
    return (
      !/\b(require|import|process\.(?!version|platform|arch|uptime|cwd))/.test(read) &&
      callsOnlyKnown(read)
    )
  }
  // Calls of these need no brackets, so every word counts.
  // A substitution without the flag that runs what it makes.
  if (language === 'perl' && /^\s*(s|y|tr)\/[^/]*\/[^/]*\/[gimsx]*;?\s*$/.test(text))
    return !/\(\?\??\{|[$@]\{/.test(text)
  if (language === 'perl' && /^\s*print( if| unless) \/[^/{]*\/i?;?\s*$/.test(text)) return true
  if (language === 'perl' || language === 'ruby')
    return (
      !/[#@$]\{|\|/.test(text) &&
      [...text.matchAll(/(?<![$@%\w])[a-zA-Z_]\w*/g)].every(([word]) => words.has(word))
    )
  return false
}

const reflective =
  /^\s*[!%]|`|__|\]\s*\(|\)\s*\(|\b(eval|exec|execfile|compile|system|popen|spawn|subprocess|child_process|modules|builtins|getattr|setattr|globals|locals|vars|constructor|prototype|Function|Reflect|Proxy|globalThis|fetch|environ|env|open|codecs|importlib|pickle|ctypes|os)\b/m

const pythonModules: ReadonlySet<string> = new Set(
  'json sys math re datetime collections itertools functools statistics string textwrap hashlib uuid random time platform decimal fractions csv operator'.split(
    ' ',
  ),
)
const pythonNames =
  /^(loads?|dumps|datetime|date|timedelta|Counter|defaultdict|sqrt|pi|Decimal|Fraction|mean|median)$/

const calls: ReadonlySet<string> = new Set(
  (
    'print len load loads dumps range sorted sum min max str int float bool list dict set tuple enumerate zip round abs any all ' +
    'keys values items get split join strip lstrip rstrip upper lower title replace format startswith endswith append extend ' +
    'count index find now today utcnow isoformat strftime strptime date datetime timedelta time sqrt pow floor ceil log log2 ' +
    'log10 read readlines readline type repr ord chr hex bin divmod reversed isinstance Counter defaultdict most_common ' +
    'sha256 sha1 md5 hexdigest encode decode uuid4 random randint choice match search findall sub group groups mean median ' +
    'Decimal Fraction error warn table parse stringify map filter reduce forEach slice push pop concat includes indexOf ' +
    'toString toFixed toISOString toLowerCase toUpperCase trim padStart padEnd Date Number String Boolean Object Array isArray ' +
    'entries fromEntries Math from of sort reverse some every flat flatMap cwd uptime if for while and or not in return elif ' +
    'lambda else switch assert'
  ).split(' '),
)

/** Whether every word in front of a bracket is a function, or a word of the language, that touches nothing. */
const callsOnlyKnown = (text: string): boolean =>
  [...text.matchAll(/([A-Za-z_$][\w$]*)\s*\(/g)].every(([, name = '']) => calls.has(name))

const words: ReadonlySet<string> = new Set(
  'print printf say puts p if unless else elsif and or not eq ne lt gt le ge s g m y tr x i my length uc lc ucfirst join reverse chomp n t split'.split(
    ' ',
  ),
)
