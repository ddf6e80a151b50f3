import type { Token } from './shell-words.ts'

/** Arguments as words and split flags; a variable of the script's own also stands for what it was given. */
export function expand(
  args: readonly Token[],
  variables: ReadonlyMap<string, readonly string[]>,
): { words: string[]; flags: string[]; unknown: boolean } {
  const words: string[] = []
  const flags = new Set<string>()
  let unknown = false
  let ended = false
  const add = (value: string): void => {
    words.push(value)
    if (!ended) for (const flag of splitFlags(value)) flags.add(flag)
  }
  for (const word of args) {
    if (!ended && word.dynamic && word.value.startsWith('-') && !/^--[\w-]+=/.test(word.value))
      unknown = true
    // Braces make words: `-{r,f}` is `-r -f`.
    if (!ended && word.pattern && /^-.*[{]|[{,]-/.test(word.value)) unknown = true
    add(word.value)
    // A variable that may be `--` may be something else as well.
    if (word.value === '--') ended = true
    for (const name of word.dynamic ? word.variables : [])
      for (const value of variables.get(name) ?? []) value.split(/\s+/).filter(Boolean).forEach(add)
  }
  return { words, flags: [...flags], unknown }
}

function splitFlags(word: string): string[] {
  if (word.startsWith('--')) return word === '--' ? [] : [word.split('=', 1)[0] ?? word]
  const letters = /^-([A-Za-z0-9?@#]+)/.exec(word)
  return Array.from(letters?.[1] ?? '', (letter) => `-${letter}`)
}

/** Words after the options. @param valued letters of options that take the next word. */
export function afterOptions(args: readonly Token[], valued: string): readonly Token[] {
  for (let k = 0; k < args.length; k++) {
    const value = args[k]?.value ?? ''
    if (value === '--') return args.slice(k + 1)
    if (!value.startsWith('-')) return args.slice(k)
    if (value.length === 2 && valued.includes(value.charAt(1))) k += 1
  }
  return []
}

export const unquoted = (text: string): string => /^(['"])(.*)\1$/s.exec(text)?.[2] ?? text
