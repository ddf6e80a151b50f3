import type { PhraseList } from '../../pdp/contract/profile.ts'

/**
 * Compiles phrase lists. Case, runs of white space and Unicode compatibility forms (full-width letters) are
 * folded on both sides; a phrase matches anywhere, also inside of words.
 * @returns names of the lists of which a phrase occurs in the text.
 */
export function compilePhrases(lists: readonly PhraseList[]): (text: string) => string[] {
  if (lists.length === 0) return () => []
  const folded = lists.map(({ name, phrases }) => ({ name, phrases: phrases.map(fold) }))
  return (text) => {
    const haystack = fold(text)
    return folded
      .filter(({ phrases }) => phrases.some((phrase) => haystack.includes(phrase)))
      .map(({ name }) => name)
  }
}

/** Most text is ASCII with single spaces, which both steps then leave alone: ten times as fast on large prompts. */
function fold(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const composed = /[^\u0000-\u007f]/.test(text) ? text.normalize('NFKC') : text
  return composed.toLowerCase().replace(/\s{2,}|[^\S ]/g, ' ')
}
