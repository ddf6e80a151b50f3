import type { Trigger } from './matcher.ts'

const alnum = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Words before a mark, by their last letter: one look-up rules most marks out. */
function behind(words: readonly string[]): NonNullable<Trigger['fires']> {
  const byLast: string[][] = []
  for (const word of words) (byLast[word.charCodeAt(word.length - 1)] ??= []).push(word)
  return (s, at) => {
    for (const word of byLast[s.charCodeAt(at - 1)] ?? []) {
      if (s.startsWith(word, at - word.length)) return true
    }
    return false
  }
}

const mark = (chars: string, words: readonly string[]): Trigger => ({
  chars,
  after: alnum,
  back: Math.max(...words.map((word) => word.length)),
  fires: behind(words),
})

// A trigger is asked once however many detectors share it: so there is one for each mark, not one for each detector.

/** The first `_` of a key's prefix. */
export const underscore = mark('_', [
  'ghp',
  'gho',
  'ghu',
  'ghs',
  'ghr',
  'github',
  'npm',
  'hf',
  'dckr',
  'sk',
  'rk',
  'whsec',
])

/** Kinds of GitLab tokens, as its documentation lists them. */
export const gitlabWords = [
  'glpat',
  'gloas',
  'gldt',
  'glrt',
  'glrtr',
  'glcbt',
  'glptt',
  'glft',
  'glimt',
  'glagent',
  'glsoat',
  'glffct',
  'glwt',
]

/** The first `-` of a key's prefix. */
export const dash = mark('-', ['sk', 'pypi', ...gitlabWords])
