import { ok } from '../../../pdp/contract/result.ts'
import { maskJson, type ReplyParts } from './reply.ts'
import {
  type Admit,
  blockStart,
  blockStop,
  delta,
  end,
  event,
  everything,
  read,
  replyParts,
  start,
  text,
  toolUse,
} from './testing.ts'
import type { MaskRule } from '../../mask/types.ts'
import { isObject, type JsonObject } from './events.ts'

/** Every place of an answer in which a secret can stand, and a judge of what came out. */

export type Place = {
  readonly name: string
  /** Which splits of the secret are tried: all of them where text goes on from event to event. */
  readonly splits: 'every' | 'few'
  /** @returns a whole reply. A place that is one event puts the pieces together again. */
  readonly reply: (pieces: readonly string[]) => Buffer
  /** JSON is split in its escapes as well: what the pieces are cut from. */
  readonly written?: (value: string) => string
}

const ID = 'toolu_01T1x1fJ34qAmk2tNTrN7Up6'

/** Blocks that end every reply, and must come out as they are. */
export const tail = (index: number): Buffer =>
  Buffer.concat([
    blockStart(index, {
      type: 'redacted_thinking',
      data: 'EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw',
    }),
    blockStop(index),
    blockStart(index + 1, {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_01WYG3ziw53XMcoyKL4XcZmE',
      content: [
        {
          type: 'web_search_result',
          title: 'Weather',
          url: 'https://weather.test/nyc',
          encrypted_content: 'Ev0DCioIAxgCIiQ3NmU4ZmI4OC1k',
        },
      ],
    }),
    blockStop(index + 1),
    end('end_turn'),
  ])

const reply = (...frames: readonly Buffer[]): Buffer => Buffer.concat([start(), ...frames, tail(1)])
const block = (content: JsonObject, ...deltas: readonly Buffer[]): Buffer =>
  reply(blockStart(0, content), ...deltas, blockStop(0))
const json = (value: string): string => JSON.stringify({ command: value, timeout: 10 })
const inputDeltas = (pieces: readonly string[]): Buffer[] =>
  pieces.map((piece) => delta(0, 'input_json_delta', { partial_json: piece }))

/** @param make gets the whole text. */
const oneEvent = (name: string, make: (value: string) => Buffer): Place => ({
  name,
  splits: 'few',
  reply: (pieces) => make(pieces.join('')),
})

export const streamPlaces: readonly Place[] = [
  { name: 'text', splits: 'every', reply: (pieces) => reply(text(0, pieces)) },
  {
    name: 'text that begins in the start of its block',
    splits: 'every',
    reply: ([first = '', ...others]) =>
      block(
        { type: 'text', text: first },
        ...others.map((piece) => delta(0, 'text_delta', { text: piece })),
      ),
  },
  {
    name: 'the input of a tool',
    splits: 'every',
    written: json,
    reply: (pieces) => reply(toolUse(0, 'Bash', pieces)),
  },
  {
    name: 'the input of a tool at the provider',
    splits: 'every',
    written: json,
    reply: (pieces) =>
      block(
        { type: 'server_tool_use', id: ID, name: 'web_search', input: {} },
        ...inputDeltas(pieces),
      ),
  },
  {
    name: 'the input of an MCP tool, with its server named',
    splits: 'few',
    written: json,
    reply: (pieces) =>
      block(
        { type: 'mcp_tool_use', id: ID, name: 'find', server_name: 'files', input: {} },
        ...inputDeltas(pieces),
      ),
  },
  {
    name: 'a delta of an unknown kind',
    splits: 'few',
    reply: (pieces) =>
      block(
        { type: 'hologram' },
        ...pieces.map((piece) => delta(0, 'hologram_delta', { shape: piece })),
      ),
  },
  oneEvent('the input that stands in the start of a tool call', (value) =>
    block({ type: 'tool_use', id: ID, name: 'Bash', input: { command: value } }),
  ),
  oneEvent('cited text', (value) =>
    block(
      { type: 'text', text: '', citations: [] },
      delta(0, 'citations_delta', {
        citation: { type: 'char_location', cited_text: value, encrypted_index: 'Eo8BCioIAhgB' },
      }),
    ),
  ),
  oneEvent('the result of a search', (value) =>
    block({
      type: 'web_search_tool_result',
      tool_use_id: ID,
      content: [{ type: 'web_search_result', title: value, encrypted_content: 'Ev0DCioIAxgC' }],
    }),
  ),
  oneEvent('the result of a program at the provider', (value) =>
    block({
      type: 'bash_code_execution_tool_result',
      tool_use_id: ID,
      content: { type: 'bash_code_execution_result', stdout: value, stderr: '', return_code: 0 },
    }),
  ),
  oneEvent('the result of an MCP tool', (value) =>
    block({
      type: 'mcp_tool_result',
      tool_use_id: ID,
      is_error: false,
      content: [{ type: 'text', text: value }],
    }),
  ),
  oneEvent('an event of an unknown kind', (value) =>
    reply(text(0, ['x']), event('hologram', { shape: [{ deep: value }], [value]: 1 })),
  ),
  oneEvent('an unknown field of message_start', (value) =>
    Buffer.concat([start({ note: { said: value } }), text(0, ['x']), tail(1)]),
  ),
  oneEvent('a comment', (value) =>
    reply(text(0, ['x']), Buffer.from(`: ${value.replace(/[\r\n]+/g, '\n: ')}\n\n`)),
  ),
  oneEvent('an event id', (value) =>
    reply(
      text(0, ['x']),
      Buffer.from(`event: ping\nid: ${value.replace(/[\r\n]+/g, '')}\ndata: {"type": "ping"}\n\n`),
    ),
  ),
  oneEvent('an error event', (value) =>
    Buffer.concat([
      start(),
      text(0, ['x']),
      event('error', { error: { type: 'api_error', message: value } }),
    ]),
  ),
]

const thinkingBlock = (type: string, field: string, pieces: readonly string[]): Buffer =>
  Buffer.concat([
    blockStart(0, { type, [field]: '' }),
    ...pieces.map((piece) => delta(0, `${type}_delta`, { [field]: piece })),
    blockStop(0),
  ])

/** Where a change would make the conversation unusable, so that the reply is cut instead. */
export const signedPlaces: readonly Place[] = [
  {
    name: 'thinking',
    splits: 'few',
    reply: (pieces) => reply(thinkingBlock('thinking', 'thinking', pieces)),
  },
  {
    name: 'thinking that begins in the start of its block',
    splits: 'few',
    reply: ([first = '', ...others]) =>
      block(
        { type: 'thinking', thinking: first, signature: '' },
        ...others.map((piece) => delta(0, 'thinking_delta', { thinking: piece })),
        delta(0, 'signature_delta', { signature: 'EqQBCgIYAhIM1gbcDa9G' }),
      ),
  },
  {
    name: 'the summary of a compaction',
    splits: 'few',
    reply: (pieces) => reply(thinkingBlock('compaction', 'content', pieces)),
  },
]

const message = (...content: readonly JsonObject[]): JsonObject => ({
  id: 'msg_014p7gG3wDgGV9EUtLvnow3U',
  type: 'message',
  role: 'assistant',
  content,
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
})

/** Places of a reply that is not streamed. */
export const jsonPlaces: readonly (readonly [string, (value: string) => JsonObject])[] = [
  ['text', (value) => message({ type: 'text', text: value })],
  [
    'the input of a tool',
    (value) => message({ type: 'tool_use', id: ID, name: 'Bash', input: { command: value } }),
  ],
  [
    'the input of a tool at the provider',
    (value) =>
      message({ type: 'server_tool_use', id: ID, name: 'web_search', input: { [value]: value } }),
  ],
  [
    'a citation',
    (value) =>
      message({
        type: 'text',
        text: 'x',
        citations: [{ type: 'char_location', cited_text: value, encrypted_index: 'Eo8BCioIAhgB' }],
      }),
  ],
  [
    'the result of an MCP tool',
    (value) =>
      message({
        type: 'mcp_tool_result',
        tool_use_id: ID,
        content: [{ type: 'text', text: value }],
      }),
  ],
  ['an unknown block', (value) => message({ type: 'hologram', shape: { deep: [value] } })],
  ['an error', (value) => ({ type: 'error', error: { type: 'api_error', message: value } })],
]

/** Parts whose tool calls are released, masked as policy says of responses. */
export function releasing(
  rules: readonly MaskRule[] = everything,
  literals: readonly string[] = [],
): ReplyParts {
  const parts: ReplyParts = replyParts(rules, (call) => admit(call), literals)
  const admit: Admit = (call) => Promise.resolve(ok(maskJson(parts, call.input)))
  return parts
}

const names: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }
const unescaped = (written: string): string =>
  written.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, unit: string | undefined, char: string) =>
    unit === undefined ? (names[char] ?? char) : String.fromCharCode(Number.parseInt(unit, 16)),
  )

/** All that a client may see in bytes: as they are, put together, and without one or two layers of escapes. */
export function seenIn(bytes: Uint8Array, content: readonly unknown[] = []): string {
  const raw = Buffer.from(bytes).toString('utf8')
  const once = unescaped(raw)
  return [raw, once, unescaped(once), ...content.flatMap(stringsOf)].join('\n\0\n')
}

export const seenInStream = (out: Buffer): string =>
  seenIn(out, out.length === 0 ? [] : read(out).content)

/** Every string and key below a value. */
export function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(stringsOf)
  if (isObject(value))
    return Object.entries(value).flatMap(([key, one]) => [key, ...stringsOf(one)])
  return []
}

/** A piece of at least this part of a value, in a row, is a leak. */
const LEAKING_PART = 0.6

/** What of the value is seen. @param around what stands beside values, may stay, and may look like a piece of one. */
export function* leaksOf(value: string, seen: string, around = ''): Generator<string> {
  const length = Math.ceil(value.length * LEAKING_PART)
  for (let from = 0; from + length <= value.length; from++) {
    const part = value.slice(from, from + length)
    if (seen.includes(part) && !around.includes(part)) yield part
  }
}

/** @returns the first of it; `undefined`: less than what counts. */
export const leakOf = (value: string, seen: string, around?: string): string | undefined =>
  leaksOf(value, seen, around).next().value ?? undefined
