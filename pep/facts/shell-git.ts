import { runsValue } from './shell-tables.ts'
import { literal, type Token } from './shell-words.ts'

/** What describes the things that git runs. */
export type GitRuns = {
  readonly script: (text: Token) => void
  readonly command: (words: readonly Token[]) => void
  /** Words that are joined to a script. */
  readonly joined: (words: readonly Token[]) => void
  readonly unknown: () => void
}

/** What git runs for its caller: aliases and programs of its configuration, rebase, bisect, filters, submodules. */
export function gitRuns(args: readonly Token[], runs: GitRuns): void {
  for (const [k, word] of args.entries()) {
    const next = args[k + 1]
    const alias = /^(?:--config-env=)?alias\.[^=]*(=?)/.exec(word.value)
    if (alias) aliased(alias[1] === '=' ? behind(word, alias[0]) : next, runs)
    const exec = /^--(?:exec|\w+-filter)=/.exec(word.value)
    if (exec) runs.script(behind(word, exec[0]))
    if (/^(-x|--exec|--\w+-filter)$/.test(word.value) && next) runs.script(next)
    if (configured(word.value, next?.value ?? '')) runs.unknown()
    if (word.value === 'foreach')
      runs.joined(args.slice(k + 1).filter((one) => one.value !== '--recursive'))
    if (word.value === 'run' && args[k - 1]?.value === 'bisect') runs.command(args.slice(k + 1))
  }
}

const behind = (word: Token, start: string): Token => ({
  ...word,
  value: word.value.slice(start.length),
})

/** A command of the shell behind `!`, a command of git otherwise. */
function aliased(meaning: Token | undefined, runs: GitRuns): void {
  if (meaning === undefined || meaning.value === '') return
  if (meaning.value.startsWith('!')) runs.script(behind(meaning, '!'))
  else runs.script({ ...literal(`git ${meaning.value}`), dynamic: meaning.dynamic })
}

/** Whether a setting names a program: `-c core.pager=…`, `config core.pager …`. */
function configured(word: string, next: string): boolean {
  if (
    /^(core\.(sshCommand|pager|editor|fsmonitor|hooksPath)|.*\.(cmd|textconv|command))=/i.test(word)
  )
    return true
  return /^(core\.(sshCommand|pager|editor|fsmonitor)|.*\.(cmd|textconv|command))$/i.test(word)
    ? next !== '' && runsValue('EDITOR', next)
    : false
}
