import { PepMaskError } from './errors.ts'
import { type MaskStyle, styleOrder } from './types.ts'

type Step = {
  /** A key, an array index, or any child. */
  readonly select: string | number | undefined
  /** `..`: at any depth below. */
  readonly descend: boolean
}

/** What rules say of the values at a path; `observe` counts them and leaves them. */
export type FieldRule = {
  readonly path: string
  readonly style: MaskStyle
  readonly observe: boolean
}

/** The places in the compiled paths that a container has been reached at; what its children are compared with. */
export type PathState = readonly { readonly rule: number; readonly step: number }[]

const token =
  /(\.\.|\.)?(?:([A-Za-z0-9_$-]+)|(\*)|\[(\d+)\]|\[\*\]|\['((?:[^'\\]|\\['\\])*)'\]|\["((?:[^"\\]|\\["\\])*)"\])/y

/**
 * Parses the subset of RFC 9535 that names places: `$.a.b`, `$.a[*].c`, `$.a[0]`, `$['a b']`, `$.*`, `$..email`.
 * @throws {PepMaskError} PEP_MASK_CONFIG for anything else: a path that is not understood would mask nothing.
 */
function parsePath(path: string): Step[] {
  const bad = (): PepMaskError => new PepMaskError('PEP_MASK_CONFIG', `not a field path: ${path}`)
  if (!path.startsWith('$') || path === '$') throw bad()
  const steps: Step[] = []
  let at = 1
  while (at < path.length) {
    token.lastIndex = at
    const match = token.exec(path)
    if (match === null) throw bad()
    const [whole, dots, name, , index, single, double] = match
    const bracket = whole.slice(dots?.length ?? 0).startsWith('[')
    // `.name` needs its dot; `[…]` has none, or the two of `..`.
    if (bracket ? dots === '.' : dots === undefined) throw bad()
    const quoted = (single ?? double)?.replace(/\\(.)/g, '$1')
    steps.push({
      select: name ?? quoted ?? (index === undefined ? undefined : Number(index)),
      descend: dots === '..',
    })
    at = token.lastIndex
  }
  return steps
}

/** Field rules, matched on the way down a document. */
export class FieldPaths {
  readonly #rules: readonly { readonly rule: FieldRule; readonly steps: readonly Step[] }[]
  readonly root: PathState

  constructor(rules: readonly FieldRule[]) {
    this.#rules = rules.map((rule) => ({ rule, steps: parsePath(rule.path) }))
    this.root = this.#rules.map((_, rule) => ({ rule, step: 0 }))
  }

  /** @returns the state of a child, and the strictest rule for its value, if any names it. */
  child(
    state: PathState,
    selector: string | number,
  ): { state: PathState; rule: FieldRule | undefined } {
    if (state.length === 0) return { state, rule: undefined }
    const next: { rule: number; step: number }[] = []
    let found: FieldRule | undefined
    for (const place of state) {
      const compiled = this.#rules[place.rule]
      const step = compiled?.steps[place.step]
      if (compiled === undefined || step === undefined) continue
      if (step.descend) next.push(place)
      if (step.select !== undefined && step.select !== selector) continue
      if (place.step + 1 < compiled.steps.length)
        next.push({ rule: place.rule, step: place.step + 1 })
      else found = stricter(found, compiled.rule)
    }
    return { state: next, rule: found }
  }
}

function stricter(a: FieldRule | undefined, b: FieldRule): FieldRule {
  if (a === undefined || (a.observe && !b.observe)) return b
  if (b.observe && !a.observe) return a
  return styleOrder.indexOf(b.style) < styleOrder.indexOf(a.style) ? b : a
}
