import type { Wrapper } from './shell-tables.ts'
import type { Token } from './shell-words.ts'

type Split = {
  /** The command that the wrapper runs; empty: none. */
  readonly command: readonly Token[]
  /** Scripts among its options. */
  readonly scripts: readonly Token[]
  /** An option that the table does not know, so the command may begin elsewhere. */
  readonly unknown: boolean
  /** What `xargs -I` replaces. */
  readonly placeholder: string | undefined
}

/** Finds where the command of `sudo -u x cmd …` begins. @returns `prints` when nothing is run. */
export function splitWrapper(wrapper: Wrapper, args: readonly Token[]): Split | 'prints' {
  const scripts: Token[] = []
  let unknown = false
  let placeholder: string | undefined
  let operands = wrapper.operands ?? 0
  let k = 0
  for (; k < args.length; k++) {
    const word = args[k]
    if (word === undefined) break
    const { value } = word
    if (value === '--') {
      k += 1
      break
    }
    if (wrapper.assigns === true && /^[A-Za-z_][A-Za-z0-9_]*=/.test(value)) continue
    if (value === '-' && wrapper.assigns === true) continue
    if (!/^-./.test(value)) {
      if (operands === 0) break
      operands -= 1
      continue
    }
    if (word.dynamic) unknown = true
    const option = readOption(wrapper, value)
    if (option === 'prints') return 'prints'
    if (option === 'unknown') unknown = true
    else if (option !== 'bare') {
      const given = option.value === '' ? args[++k] : { ...word, value: option.value }
      if (/^(S|c|split-string|command)$/.test(option.name) && given) scripts.push(given)
      if (/^[IJ]$/.test(option.name) && given) placeholder = given.value
    }
  }
  return { command: args.slice(k), scripts, unknown, placeholder }
}

type Option = 'bare' | 'unknown' | 'prints' | { readonly name: string; readonly value: string }

/** Reads `-abc`, `-uroot`, `-u` and `--user=root`. An empty value: it is the next word. */
function readOption(wrapper: Wrapper, text: string): Option {
  if (text.startsWith('--')) {
    const [name = '', ...value] = text.slice(2).split('=')
    if (value.length > 0) return { name, value: value.join('=') || ' ' }
    // Long options without a value are many and harmless; those with one are in the table.
    return wrapper.long?.includes(name) === true ? { name, value: '' } : 'bare'
  }
  for (let k = 1; k < text.length; k++) {
    const letter = text.charAt(k)
    if (wrapper.prints?.includes(letter) === true) return 'prints'
    if (wrapper.valued.includes(letter)) return { name: letter, value: text.slice(k + 1) }
    if (!wrapper.bare.includes(letter)) return 'unknown'
  }
  return 'bare'
}
