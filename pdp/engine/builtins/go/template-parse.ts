import { failed } from '../arguments.ts'

/** Go's `text/template`, read into a tree. Without `block` and nested definitions. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }
  | { readonly kind: 'template'; readonly name: string; readonly pipe?: Pipe }
  | { readonly kind: 'break' | 'continue' }

/** `$a, $b := x | f y` */
export type Pipe = {
  readonly variables: readonly string[]
  readonly declares: boolean
  readonly commands: readonly (readonly Operand[])[]
}

export type Operand =
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'number'; readonly literal: string }
  | { readonly kind: 'constant'; readonly value: boolean | null }
  | { readonly kind: 'function'; readonly name: string }
  /** `.a.b`, `$x.a`, `(pipe).a`. */
  | {
      readonly kind: 'path'
      readonly root: '.' | { readonly variable: string } | { readonly pipe: Pipe }
      readonly fields: readonly string[]
    }

export type Template = {
  readonly main: readonly Node[]
  readonly named: ReadonlyMap<string, readonly Node[]>
}

type Item = { readonly text: string } | { readonly action: string }

const fail = (why: string): Error => failed(`template: template:1: ${why}`)

export function parseTemplate(source: string): Template {
  const items = split(source)
  const named = new Map<string, readonly Node[]>()
  let at = 0

  function nodes(...ends: readonly string[]): { readonly list: Node[]; readonly end: string } {
    const list: Node[] = []
    for (;;) {
      const item = items[at]
      at += 1
      if (item === undefined) {
        if (ends.length > 0) throw fail('unexpected EOF')
        return { list, end: '' }
      }
      if ('text' in item) {
        list.push({ kind: 'text', text: item.text })
        continue
      }
      const word = /^[a-z]+\b/.exec(item.action)?.[0] ?? ''
      if (word === 'end' || word === 'else') {
        if (!ends.includes(word)) throw fail(`unexpected {{${word}}}`)
        return { list, end: item.action }
      }
      list.push(...action(item.action, word))
    }
  }

  function action(text: string, word: string): Node[] {
    const rest = text.slice(word.length).trim()
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        return [branch(word, rest)]
      case 'define': {
        const name = quoted(rest)
        named.set(name, nodes('end').list)
        return []
      }
      case 'template': {
        const [, literal = '', more = ''] = /^("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(.*)$/s.exec(rest) ?? []
        const pipe = more === '' ? {} : { pipe: parsePipe(more) }
        return [{ kind: 'template', name: quoted(literal), ...pipe }]
      }
      case 'break':
      case 'continue':
        return [{ kind: word }]
      default:
        return [{ kind: 'pipe', pipe: parsePipe(text) }]
    }
  }

  function branch(kind: 'if' | 'with' | 'range', text: string): Node {
    const pipe = parsePipe(text)
    const { list: body, end } = nodes('else', 'end')
    if (end === 'end') return { kind, pipe, body, otherwise: [] }
    const next = end.slice('else'.length).trim()
    const [, word, rest = ''] = /^(if|with)\b\s*(.*)$/s.exec(next) ?? []
    if (word === 'if' || word === 'with')
      return { kind, pipe, body, otherwise: [branch(word, rest)] }
    return { kind, pipe, body, otherwise: nodes('end').list }
  }

  const { list: main } = nodes()
  return { main, named }
}

/** Text and actions by turns; `{{-` and `-}}` take white space with them. */
function split(source: string): Item[] {
  const items: Item[] = []
  let at = 0
  let trim = false
  for (;;) {
    const open = source.indexOf('{{', at)
    let text = source.slice(at, open === -1 ? source.length : open)
    if (trim) text = text.trimStart()
    if (open === -1) {
      if (text !== '') items.push({ text })
      return items
    }
    const left = /^\{\{-\s/.test(source.slice(open, open + 4))
    if (left) text = text.trimEnd()
    if (text !== '') items.push({ text })
    const { end, body } = actionAt(source, open + (left ? 3 : 2))
    trim = /\s-$/.test(body)
    const action = (trim ? body.slice(0, -1) : body).trim()
    if (!/^\/\*.*\*\/$/s.test(action)) {
      if (action === '') throw fail('missing value for command')
      items.push({ action })
    }
    at = end
  }
}

/** Up to the `}}` that is in no literal and no comment. */
function actionAt(source: string, start: number): { readonly end: number; readonly body: string } {
  for (let at = start; at < source.length; at += 1) {
    const mark = source[at]
    if (mark === '}' && source[at + 1] === '}')
      return { end: at + 2, body: source.slice(start, at) }
    if (mark === '"') at = endOfQuoted(source, at)
    else if (mark === '`') at = closeOf(source, at + 1, '`')
    else if (mark === '/' && source[at + 1] === '*') at = closeOf(source, at + 2, '*/')
  }
  throw fail('unclosed action')
}

function closeOf(source: string, from: number, close: string): number {
  const end = source.indexOf(close, from)
  // What is never closed is looked for once.
  if (end === -1) throw fail('unclosed action')
  return end + close.length - 1
}

/** @returns where the quote is that ends a text, which is on one line. */
function endOfQuoted(source: string, open: number): number {
  let at = open + 1
  while (at < source.length && source[at] !== '"' && source[at] !== '\n')
    at += source[at] === '\\' ? 2 : 1
  if (source[at] !== '"') throw fail('unterminated quoted string')
  return at
}

const TOKEN =
  /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|:=|[|=,()]|\$\w*|\.\w+|\.|[+-]?(?:\d[\w.]*(?:[eE][+-]?\d+)?)|[A-Za-z_]\w*|\s+)/gy

function tokenize(text: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const before = TOKEN.lastIndex
    // White space parts `.a .b` from `.a.b`.
    const space = /^\s+/.exec(text.slice(before))?.[0]
    if (space !== undefined) {
      tokens.push(' ')
      TOKEN.lastIndex = before + space.length
      continue
    }
    const found = TOKEN.exec(text)
    if (!found)
      throw fail(`unexpected ${JSON.stringify(text.slice(before, before + 10))} in command`)
    tokens.push(found[1] ?? '')
  }
  return tokens
}

function parsePipe(text: string): Pipe {
  const tokens = tokenize(text.trim())
  let at = 0
  const skip = (): void => {
    while (tokens[at] === ' ') at += 1
  }

  function pipe(nested: boolean): Pipe {
    skip()
    // Two variables, a comma and `:=`, with spaces between them.
    const head = nested
      ? null
      : /^(\$\w*(?:\s*,\s*\$\w*)?)\s*(:?=)/.exec(tokens.slice(at, at + 8).join(''))
    let variables: string[] = []
    if (head) {
      variables = (head[1] ?? '').split(',').map((one) => one.trim())
      while (tokens[at] !== ':=' && tokens[at] !== '=') at += 1
      at += 1
    }
    const commands: Operand[][] = []
    do commands.push(command(nested))
    while (tokens[at] === '|' && (at += 1) > 0)
    return { variables, declares: head?.[2] === ':=', commands }
  }

  function command(nested: boolean): Operand[] {
    const operands: Operand[] = []
    for (skip(); at < tokens.length && tokens[at] !== '|' && tokens[at] !== ')'; skip())
      operands.push(operand())
    if (tokens[at] === ')' && !nested) throw fail('unexpected right paren')
    if (operands.length === 0) throw fail('missing value for command')
    return operands
  }

  function operand(): Operand {
    const token = tokens[at] ?? ''
    at += 1
    if (token === '(') {
      const inner = pipe(true)
      if (tokens[at] !== ')') throw fail('unclosed left paren')
      at += 1
      return { kind: 'path', root: { pipe: inner }, fields: fields() }
    }
    if (token.startsWith('$')) return { kind: 'path', root: { variable: token }, fields: fields() }
    if (token.startsWith('.'))
      return { kind: 'path', root: '.', fields: token === '.' ? [] : [token.slice(1), ...fields()] }
    if (token.startsWith('"') || token.startsWith('`'))
      return { kind: 'text', value: quoted(token) }
    if (/^[+-]?\d/.test(token)) return { kind: 'number', literal: token }
    if (token === 'true' || token === 'false') return { kind: 'constant', value: token === 'true' }
    if (token === 'nil') return { kind: 'constant', value: null }
    if (/^[A-Za-z_]/.test(token)) return { kind: 'function', name: token }
    throw fail(`unexpected ${JSON.stringify(token)} in operand`)
  }

  function fields(): string[] {
    const names: string[] = []
    for (; /^\.\w/.test(tokens[at] ?? ''); at += 1) names.push((tokens[at] ?? '').slice(1))
    return names
  }

  const whole = pipe(false)
  if (at < tokens.length) throw fail(`unexpected ${JSON.stringify(tokens[at])} in command`)
  return whole
}

function quoted(literal: string): string {
  if (literal.startsWith('`')) return literal.slice(1, -1)
  try {
    return JSON.parse(literal) as string
  } catch {
    throw fail(`unexpected ${JSON.stringify(literal)}`)
  }
}
