import type { ShellCommand, ShellFacts } from '../../pdp/contract/facts.ts'

/** Most UTF-16 code units of facts about one script. What does not fit makes the facts incomplete. */
const MAX_FACTS = 16 * 1024
/** How deep a script may hold a script. */
const MAX_DEPTH = 8

/** What a command reads on standard input. */
export type Stdin =
  | { readonly kind: 'none' }
  /** Text that is written in the script. */
  | { readonly kind: 'literal'; readonly text: string }
  /** Text that only running would tell. */
  | { readonly kind: 'unknown' }

export const NONE: Stdin = { kind: 'none' }
export const UNKNOWN: Stdin = { kind: 'unknown' }

/** What is known so far of a script and the scripts in it. */
export class ShellState {
  readonly #commands: ShellCommand[] = []
  readonly #pipesInto = new Set<string>()
  readonly #redirects: { op: string; target: string }[] = []
  readonly #undetermined = new Set<string>()
  readonly #incomplete = new Set<string>()
  #substitutions = 0
  #room = MAX_FACTS
  depth = 0
  /** Names of variables that the script gives any value. */
  readonly assigned = new Set<string>(['IFS'])
  /** Literal values that the script gives to variables; `@` holds what functions and `set` are given. */
  readonly variables = new Map<string, string[]>()

  command(command: ShellCommand): void {
    const { name, args, flags, wrappers } = command
    if (this.#fits([name, ...args, ...flags, ...wrappers])) this.#commands.push(command)
  }

  /** An interpreter that is fed its program. */
  fed(name: string): void {
    if (this.#fits([name])) this.#pipesInto.add(name)
  }

  redirect(op: string, target: string): void {
    if (this.#fits([op, target])) this.#redirects.push({ op, target })
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

  /** Gives a variable one more value it may have. */
  assign(name: string, value: string): void {
    const values = this.variables.get(name)
    if (!this.#fits([name, value])) return
    if (values === undefined) this.variables.set(name, [value])
    else values.push(value)
  }

  get facts(): { facts: ShellFacts; incomplete: string[] } {
    return {
      facts: {
        commands: this.#commands,
        pipes_into: [...this.#pipesInto],
        redirects: this.#redirects,
        substitutions: this.#substitutions,
        undetermined: [...this.#undetermined],
      },
      incomplete: [...this.#incomplete],
    }
  }

  /** Fail closed: what is left out is said, and policy refuses facts that do not tell everything. */
  #fits(texts: readonly string[]): boolean {
    this.#room -= texts.reduce((sum, text) => sum + text.length + 4, 16)
    if (this.#room < 0) this.incomplete('more than fits')
    return this.#room >= 0
  }
}
