import type { FilePath, ReachedHost, ShellCommand, ShellFacts } from '../../pdp/contract/facts.ts'
import { createPathList, normalisePath } from './file-paths.ts'
import { createHostList } from './hosts.ts'
import type { SqlText } from './sql.ts'

/** Most UTF-16 code units of facts about one script. What does not fit makes the facts incomplete. */
const MAX_FACTS = 16 * 1024
/** How deep a script may hold a script. */
const MAX_DEPTH = 8

/** What a command reads on standard input. */
export type Stdin =
  | { readonly kind: 'none' }
  /** Text that is written in the script. */
  | { readonly kind: 'literal'; readonly text: string }
  /** A file, by `<`. */
  | { readonly kind: 'file'; readonly path: string }
  /** Text that only running would tell. */
  | { readonly kind: 'unknown' }

export const NONE: Stdin = { kind: 'none' }
export const UNKNOWN: Stdin = { kind: 'unknown' }

/** What a script does, as far as it can be told. */
export type ScriptFacts = {
  readonly facts: ShellFacts
  readonly incomplete: readonly string[]
  readonly paths: readonly FilePath[]
  readonly hosts: readonly ReachedHost[]
  /** SQL that it gives to databases, and reasons why there may be more. */
  readonly sql: readonly SqlText[]
  readonly sqlUndetermined: ReadonlySet<string>
}

/** What is known so far of a script and the scripts in it. */
export class ShellState {
  readonly #commands: ShellCommand[] = []
  readonly #pipesInto = new Set<string>()
  readonly #redirects: { op: string; target: string }[] = []
  readonly #undetermined = new Set<string>()
  readonly #incomplete = new Set<string>()
  readonly #code = new Set<string>()
  readonly #paths = createPathList((why) => this.incomplete(why))
  readonly #hosts = createHostList((why) => this.incomplete(why))
  /** Base names of files that it writes, and whether they were downloaded; and of those that it runs. */
  readonly #written = new Map<string, 'download' | 'text'>()
  readonly #run = new Set<string>()
  #substitutions = 0
  #room = MAX_FACTS
  depth = 0
  /** Wrappers of the scripts around the command in question: `find -exec sh -c '…'`. */
  around: readonly string[] = []
  /** How many substitutions and pipes are around the command in question: what it prints is used. */
  substituting = 0
  readonly #sql = new Map<string, SqlText>()
  readonly #sqlUndetermined = new Set<string>()
  /** Variables that hold what a command printed. */
  readonly computed = new Set<string>()
  /** Names of variables that the script gives any value. */
  readonly assigned = new Set<string>(['IFS'])
  /** Literal values that the script gives to variables; `@` holds what functions and `set` are given. */
  readonly variables = new Map<string, string[]>()

  /** @returns whether it fits; what does not is refused, and need not be looked into. */
  command(command: ShellCommand): boolean {
    const { name, args, flags, wrappers } = command
    const fits = this.#fits([name, ...args, ...flags, ...wrappers])
    if (fits) this.#commands.push(command)
    return fits
  }

  /** An interpreter that is fed its program. */
  fed(name: string): void {
    if (this.#fits([name])) this.#pipesInto.add(name)
  }

  redirect(op: string, target: string): void {
    if (this.#fits([op, target])) this.#redirects.push({ op, target })
  }

  path(text: string, op: FilePath['op']): void {
    this.#paths.add(text, op)
    if (op === 'execute') this.#run.add(baseName(text))
  }

  /** @param from whether its content came from elsewhere. */
  wrote(text: string, from: 'download' | 'text' = 'text'): void {
    this.#paths.add(text, 'write')
    if (text !== '' && this.#written.get(baseName(text)) !== 'download')
      this.#written.set(baseName(text), from)
  }

  /** @param host undefined: it cannot be told. */
  host(host: string | undefined, by: string, sends: boolean): void {
    this.#hosts.add(host, by, sends)
  }

  /** The same text may be seen again, as the argument of what runs the client. */
  givesSql(sql: SqlText): void {
    const before = this.#sql.get(sql.text)
    if (before === undefined || before.perhaps === true) this.#sql.set(sql.text, sql)
  }

  /** SQL runs that is not in `sql`. @param why as in the contract's `SqlFacts`. */
  noSql(why: 'script' | 'file' | 'client command'): void {
    this.#sqlUndetermined.add(why)
  }

  /** A program in a language that is not parsed. */
  runsCode(name: string): void {
    if (this.#fits([name])) this.#code.add(name)
  }

  substitution(): void {
    this.#substitutions += 1
  }

  /** @param what a short, stable name; never text of the script. */
  undetermined(what: string): void {
    if (this.#fits([what])) this.#undetermined.add(what)
  }

  incomplete(why: string): void {
    this.#incomplete.add(`shell: ${why}`)
  }

  /** Runs `body` one script deeper. */
  nested(body: () => void): void {
    if (this.depth >= MAX_DEPTH) {
      this.incomplete('nested too deep')
      return
    }
    this.depth += 1
    body()
    this.depth -= 1
  }

  /** Runs `body` for a script that these wrappers run. */
  inside(wrappers: readonly string[], body: () => void): void {
    const before = this.around
    this.around = [...before, ...wrappers]
    body()
    this.around = before
  }

  /** Gives a script its `$1`, `$2`, …; only what may become flags matters. */
  positional(words: readonly { readonly value: string }[]): void {
    for (const [index, { value }] of words.entries())
      if (/^-|\s-/.test(value))
        for (const name of ['@', '*', String(index + 1)]) this.assign(name, value)
  }

  /** Gives a variable one more value it may have. */
  assign(name: string, value: string): void {
    const values = this.variables.get(name)
    if (!this.#fits([name, value])) return
    if (values === undefined) this.variables.set(name, [value])
    else values.push(value)
  }

  get facts(): ScriptFacts {
    for (const file of this.#run) {
      const from = this.#written.get(file)
      if (from === 'download') this.undetermined('runs what it downloaded')
      else if (from === 'text') this.runsCode('written file')
    }
    return {
      facts: {
        commands: this.#commands,
        pipes_into: [...this.#pipesInto],
        redirects: this.#redirects,
        substitutions: this.#substitutions,
        undetermined: [...this.#undetermined],
        code: [...this.#code],
      },
      incomplete: [...this.#incomplete],
      paths: this.#paths.paths,
      hosts: this.#hosts.hosts,
      sql: [...this.#sql.values()],
      sqlUndetermined: this.#sqlUndetermined,
    }
  }

  /** Fail closed: what is left out is said, and policy refuses facts that do not tell everything. */
  #fits(texts: readonly string[]): boolean {
    this.#room -= texts.reduce((sum, text) => sum + text.length + 4, 16)
    if (this.#room < 0) this.incomplete('more than fits')
    return this.#room >= 0
  }
}

/** Folders do not count: the script may have changed into them in between. */
const baseName = (text: string): string => (normalisePath(text) ?? text).split('/').at(-1) ?? ''
