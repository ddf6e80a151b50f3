import type { ArrayValue, Assignment, CommandArgument, Word, WordPart } from 'unbash'

/** One word of a command, as far as it can be told without running anything. */
export type Token = {
  /** Quotes removed; expansions stand as they were written. */
  readonly value: string
  /** Whether its value depends on what runs: variables, substitutions. */
  readonly dynamic: boolean
  /** Whether the shell may make several words, or other words, of it: globs and braces. */
  readonly pattern: boolean
  /** Whether it is, or holds, `<(…)` or `>(…)`. */
  readonly process: boolean
  /** Whether it holds what a command prints. */
  readonly computed: boolean
  /** Base name of the program it names; `undefined` when that cannot be told. */
  readonly program: string | undefined
  /** An unquoted variable in front of `program`, whose value could make other words of it. */
  readonly behind: string | undefined
  /** Variables that it expands. */
  readonly variables: readonly string[]
}

/** A word that is exactly this text. */
export const literal = (value: string): Token => ({
  value,
  dynamic: false,
  pattern: false,
  process: false,
  computed: false,
  program: baseName(value),
  behind: undefined,
  variables: [],
})

/** An assignment after the name (`export A=1`) is read as the word it is. */
export function toToken(argument: CommandArgument): Token {
  if (argument.type === 'Word') return wordToken(argument)
  const inner = assignedWords(argument).map(wordToken)
  return {
    value: argument.text,
    dynamic: inner.some((token) => token.dynamic),
    pattern: false,
    process: inner.some((token) => token.process),
    computed: inner.some((token) => token.computed),
    program: undefined,
    behind: undefined,
    variables: inner.flatMap((token) => token.variables),
  }
}

export function wordToken(word: Word): Token {
  const parts = flatten(word.parts ?? [])
  const dynamic = parts.some((part) => dynamicParts.has(part.type))
  const pattern = parts.some((part) => patternParts.has(part.type))
  return {
    value: word.value,
    dynamic,
    pattern,
    process: parts.some((part) => part.type === 'ProcessSubstitution'),
    computed: parts.some(
      (part) => part.type === 'CommandExpansion' || part.type === 'ProcessSubstitution',
    ),
    ...(dynamic || pattern
      ? literalTail(word.parts ?? [])
      : { program: baseName(word.value), behind: undefined }),
    variables: parts.flatMap(variableOf),
  }
}

/** The words that an assignment gives. */
export const assignedWords = ({ value }: Assignment): readonly Word[] =>
  isArray(value) ? value.elements : [value]

const isArray = (value: Word | ArrayValue): value is ArrayValue => value.type === 'ArrayValue'

const dynamicParts: ReadonlySet<WordPart['type']> = new Set([
  'SimpleExpansion',
  'ParameterExpansion',
  'CommandExpansion',
  'ArithmeticExpansion',
  'ProcessSubstitution',
] as const)

const patternParts: ReadonlySet<WordPart['type']> = new Set([
  'Glob',
  'ExtendedGlob',
  'BraceExpansion',
] as const)

function flatten(parts: readonly WordPart[]): WordPart[] {
  return parts.flatMap((part): readonly WordPart[] =>
    isQuoted(part) ? [part, ...part.parts] : [part],
  )
}

function variableOf(part: WordPart): string[] {
  if (part.type === 'SimpleExpansion') return [part.text.slice(1)]
  if (part.type === 'ParameterExpansion') return [part.parameter]
  return []
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/**
 * `$HOME/bin/rm` and `"$(x)/rm"` run something called rm, whatever is in front, as long as that stays one word.
 */
function literalTail(parts: readonly WordPart[]): Pick<Token, 'program' | 'behind'> {
  const none = { program: undefined, behind: undefined }
  const [first, ...rest] = parts
  const last = parts.at(-1)
  const inner = isQuoted(last) ? last.parts.at(-1) : last
  if (inner?.type !== 'Literal' && inner?.type !== 'SingleQuoted') return none
  const at = inner.value.lastIndexOf('/')
  if (first === undefined || at < 0 || flatten(parts).some(isSeveral)) return none
  // Unquoted, only a variable at the begin: further ones could be the spaces between words.
  const bare = rest.some((part) => dynamicParts.has(part.type)) || first.type === 'CommandExpansion'
  if (bare) return none
  return {
    program: inner.value.slice(at + 1),
    behind: dynamicParts.has(first.type) ? (variableOf(first)[0] ?? '') : undefined,
  }
}

const isQuoted = (
  part: WordPart | undefined,
): part is Extract<WordPart, { type: 'DoubleQuoted' | 'LocaleString' }> =>
  part?.type === 'DoubleQuoted' || part?.type === 'LocaleString'

/** What may be several words even in quotes, or is not a word of its own. */
function isSeveral(part: WordPart): boolean {
  if (part.type === 'ParameterExpansion')
    return part.index !== undefined || /^[@*]$/.test(part.parameter)
  if (part.type === 'SimpleExpansion') return /^\$[@*]$/.test(part.text)
  return part.type === 'BraceExpansion' || part.type === 'ProcessSubstitution'
}
