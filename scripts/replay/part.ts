/** A piece of a body as people read it: a block of a message, a tool call, an error, plain text. */
export type Part = {
  /** The same in both bodies of a direction, so that what came back is compared with what the agent got. */
  readonly key: string
  readonly kind: 'text' | 'thinking' | 'tool' | 'system' | 'error' | 'stop' | 'data' | 'binary'
  readonly title: string
  /** Of an earlier turn, which earlier operations of the session have shown. */
  readonly earlier?: true
}

/** Text that came to stand at the end of a part. */
export type Grown = { readonly part: Part; readonly text: string }

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** JSON that stays what it is: a number keeps its digits, a key that is there twice stays there twice. */
export function indentJson(text: string): string {
  let out = ''
  let depth = 0
  const line = (): string => `\n${'  '.repeat(Math.min(depth, 40))}`
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^"{}[\],:\s]+/gsu)) {
    if (token === '{' || token === '[') {
      depth++
      out += token + line()
    } else if (token === '}' || token === ']') {
      depth = Math.max(depth - 1, 0)
      // Nothing within: the bracket goes beside the one that opened.
      out = /[{[]\s*$/.test(out.slice(-100)) ? out.trimEnd() + token : out + line() + token
    } else if (token === ',') out += token + line()
    else if (token === ':') out += ': '
    else out += token
  }
  return out
}
