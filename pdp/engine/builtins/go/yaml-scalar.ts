import { readsAsText } from './yaml-resolve.ts'

/** How text is written: `plain`, in quotes, or as a block of lines. */
export type Style = 'plain' | 'single' | 'double' | 'literal'

const BREAKS = '\n\r\u0085\u2028\u2029'
export const isBreak = (char: string | undefined): boolean =>
  char !== undefined && char !== '' && BREAKS.includes(char)
export const isBlank = (char: string | undefined): boolean =>
  char === undefined || char === ' ' || char === '\t' || char === '\0' || isBreak(char)

/** By libyaml's idea of it: neither tab nor anything past U+FFFF. */
export function isPrintable(char: string): boolean {
  const code = char.codePointAt(0) ?? 0
  if (code === 0x0a || (code >= 0x20 && code <= 0x7e)) return true
  return code >= 0xa0 && code < 0xfffe && code !== 0xfeff && (code < 0xd800 || code > 0xdfff)
}

/** What the characters of a text allow. */
type Analysis = { readonly plain: boolean; readonly single: boolean; readonly block: boolean }

/** @param simpleKey whether it is written as `key: `, on one line. */
export function styleOf(text: string, simpleKey: boolean): Style {
  const allowed = analyse(text)
  const literal = text.includes('\n')
  if (simpleKey && hasBreak(text)) return 'double'
  if (literal) return allowed.block && !simpleKey ? 'literal' : 'double'
  if (!readsAsText(text)) return 'double'
  if (allowed.plain && (text !== '' || !simpleKey)) return 'plain'
  return allowed.single ? 'single' : 'double'
}

export const hasBreak = (text: string): boolean => /[\n\r\u0085\u2028\u2029]/.test(text)

const STARTS = '#,[]{}&*!|>\'"%@`'

function analyse(text: string): Analysis {
  const chars = [...text]
  const space = (at: number): boolean => chars[at] === ' '
  const broken = (at: number): boolean => isBreak(chars[at])
  const pairs = chars.keys().toArray()
  const last = chars.length - 1
  const breakThenSpace = pairs.some((at) => broken(at - 1) && space(at))
  const special =
    chars.some((char) => !isPrintable(char)) || pairs.some((at) => space(at - 1) && broken(at))
  const atEdge = space(0) || broken(0) || space(last) || broken(last)
  return {
    plain:
      !special && !atEdge && !breakThenSpace && !chars.some(isBreak) && !hasIndicator(text, chars),
    single: !special && !breakThenSpace,
    block: !special && !space(last),
  }
}

/** What would be taken for something else than text, in a block. */
function hasIndicator(text: string, chars: readonly string[]): boolean {
  if (text.startsWith('---') || text.startsWith('...')) return true
  return chars.some((char, at) => {
    const followed = isBlank(chars[at + 1])
    if (char === ':') return followed
    if (at > 0) return char === '#' && isBlank(chars[at - 1])
    return STARTS.includes(char) || ((char === '?' || char === '-') && followed)
  })
}
