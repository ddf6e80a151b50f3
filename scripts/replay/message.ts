import { type Grown, indentJson, isObject, type JsonObject, type Part, textOf } from './part.ts'

/** Bodies of the Anthropic Messages API that are one JSON document, as parts of a conversation. */

const grown = (part: Part, text: string): Grown => ({ part, text })
const pretty = (value: unknown): string => indentJson(JSON.stringify(value) ?? '')

/** @returns `undefined` when it is none of the API's documents: it is shown as the JSON that it is. */
export function messageParts(text: string): readonly Grown[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined // shown as text
  }
  if (!isObject(value)) return undefined
  if (value['type'] === 'error') return [errorPart(value['error'])]
  if (value['type'] === 'message' && Array.isArray(value['content'])) return replyParts(value)
  if (Array.isArray(value['messages']) && typeof value['model'] === 'string')
    return requestParts(value, value['messages'] as readonly unknown[])
  return undefined
}

export function errorPart(error: unknown): Grown {
  const { type, message } = isObject(error) ? error : {}
  const part: Part = { key: 'error', kind: 'error', title: `error ${textOf(type)}`.trim() }
  return grown(part, typeof message === 'string' ? message : pretty(error))
}

function replyParts(value: JsonObject): readonly Grown[] {
  const content = value['content'] as readonly unknown[]
  const parts = content.flatMap((block, at) => blockParts(block, `b${at}`, ''))
  return [...parts, ...stopPart(value['stop_reason'])]
}

export function stopPart(reason: unknown): readonly Grown[] {
  if (typeof reason !== 'string') return []
  return [grown({ key: 'stop', kind: 'stop', title: 'stop' }, reason)]
}

/** Of a request: its parameters, then the turns; those that the model has answered are `earlier`. */
function requestParts(value: JsonObject, messages: readonly unknown[]): readonly Grown[] {
  const { messages: _messages, system, tools, ...parameters } = value
  const last = messages.findLastIndex((one) => isObject(one) && one['role'] === 'assistant')
  return [
    ...behind(
      [grown({ key: 'parameters', kind: 'data', title: 'parameters' }, pretty(parameters))],
      last >= 0,
    ),
    ...(Array.isArray(tools)
      ? [grown({ key: 'tools', kind: 'data', title: 'tools', earlier: true }, pretty(tools))]
      : []),
    ...turn(system, 'system', 'system', last >= 0),
    ...messages.flatMap((message, at) => {
      if (!isObject(message)) return []
      const { role, content } = message
      return turn(content, `m${at}`, textOf(role), at <= last)
    }),
  ]
}

function turn(content: unknown, key: string, role: string, earlier: boolean): readonly Grown[] {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content
  if (!Array.isArray(blocks)) return []
  const parts = blocks.flatMap((block: unknown, at) => blockParts(block, `${key}.${at}`, role))
  return behind(parts, earlier)
}

const behind = (parts: readonly Grown[], earlier: boolean): readonly Grown[] =>
  earlier
    ? parts.map(({ part, text }) => ({ part: { ...part, earlier: true as const }, text }))
    : parts

/** One content block. `role` stands before its title, as in "user". */
function blockParts(block: unknown, key: string, role: string): readonly Grown[] {
  if (!isObject(block)) return [grown({ key, kind: 'data', title: role }, pretty(block))]
  const { part, text } = blockStart(block, key, role)
  if (part.kind === 'tool') {
    const { input, content, text: _text, ...others } = block
    const body = input ?? content ?? others
    return [grown(part, typeof body === 'string' ? body : pretty(body))]
  }
  return [grown(part, part.kind === 'data' ? pretty(block) : text)]
}

/** What a block is, and the text that it begins with. */
export function blockStart(block: JsonObject, key: string, role: string): Grown {
  const type = textOf(block['type'])
  const titled = (title: string): string => [role, title].filter((one) => one !== '').join(', ')
  if (type === 'text') {
    const kind = role === 'system' ? 'system' : 'text'
    return grown({ key, kind, title: role === '' ? 'text' : role }, textOf(block['text']))
  }
  if (type === 'thinking')
    return grown({ key, kind: 'thinking', title: titled('thinking') }, textOf(block['thinking']))
  if (type.endsWith('tool_use'))
    return grown({ key, kind: 'tool', title: titled(`${type} ${textOf(block['name'])}`) }, '')
  if (type.endsWith('tool_result'))
    return grown({ key, kind: 'tool', title: titled(`${type} ${idOf(block)}`) }, '')
  return grown({ key, kind: 'data', title: titled(type === '' ? 'block' : type) }, '')
}

const idOf = (block: JsonObject): string => textOf(block['tool_use_id'])
