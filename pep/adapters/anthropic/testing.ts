import { ok, type Result } from '../../../pdp/contract/result.ts'
import { Findings } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import { compileMask } from '../../mask/mask.ts'
import { encodeSse, SseDecoder } from '../../mask/sse.ts'
import { testKeys } from '../../mask/testing.ts'
import { builtinNames, type MaskRule } from '../../mask/types.ts'
import { isObject, type JsonObject } from './events.ts'
import type { ReplyParts, ToolCall } from './reply.ts'
import { createReplyStream, type StreamOutcome } from './reply-stream.ts'

/** Material for the tests of this folder: replies as the API sends them, and a reader of what comes out. */

export const everything: readonly MaskRule[] = [{ detectors: [...builtinNames], style: 'redact' }]

export type Admit = (call: ToolCall) => Promise<Result<string, Refusal>>
export const release: Admit = (call) => Promise.resolve(ok(call.input))

export function replyParts(
  rules: readonly MaskRule[] = everything,
  admit: Admit = release,
  literals: readonly string[] = [],
): ReplyParts {
  const altering = new Set<string>(['credential'])
  for (const rule of rules) if (!rule.observe) rule.detectors?.forEach((name) => altering.add(name))
  return {
    mask: compileMask(rules, { keys: testKeys, literals }),
    altering,
    findings: new Findings(),
    ruled: rules.length > 0,
    admit,
  }
}

export type Played = {
  readonly out: Buffer
  readonly outcomes: readonly StreamOutcome[]
  /** Bytes that were out when each outcome was recorded. */
  readonly outAtOutcome: readonly number[]
  readonly ended: boolean
}

/** Sends pieces through a stream of its own. */
export async function play(parts: ReplyParts, pieces: readonly Uint8Array[]): Promise<Played> {
  const sent: Buffer[] = []
  const outcomes: StreamOutcome[] = []
  const outAtOutcome: number[] = []
  const stream = createReplyStream({
    ...parts,
    decision_id: 'decision-1',
    maxInputBytes: 1024 * 1024,
    write: (bytes) => {
      sent.push(bytes)
      return Promise.resolve()
    },
    record: (outcome) => {
      outcomes.push(outcome)
      outAtOutcome.push(Buffer.concat(sent).length)
      return Promise.resolve()
    },
  })
  for (const piece of pieces) await stream.feed(piece)
  const ended = await stream.end()
  return { out: Buffer.concat(sent), outcomes, outAtOutcome, ended }
}

/** An event as the API writes it, with its spaces. */
export const event = (type: string, fields: JsonObject): Buffer =>
  encodeSse(type, JSON.stringify({ type, ...fields }).replace('{"type":"', '{"type": "'))

export const start = (extra: JsonObject = {}): Buffer =>
  event('message_start', {
    message: {
      id: 'msg_014p7gG3wDgGV9EUtLvnow3U',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 472, output_tokens: 2 },
      ...extra,
    },
  })

export const blockStart = (index: number, content_block: JsonObject): Buffer =>
  event('content_block_start', { index, content_block })
export const delta = (index: number, type: string, fields: JsonObject): Buffer =>
  event('content_block_delta', { index, delta: { type, ...fields } })
export const blockStop = (index: number): Buffer => event('content_block_stop', { index })

export const text = (index: number, pieces: readonly string[]): Buffer =>
  Buffer.concat([
    blockStart(index, { type: 'text', text: '' }),
    ...pieces.map((piece) => delta(index, 'text_delta', { text: piece })),
    blockStop(index),
  ])

export const toolUse = (index: number, name: string, pieces: readonly string[]): Buffer =>
  Buffer.concat([
    blockStart(index, { type: 'tool_use', id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6', name, input: {} }),
    delta(index, 'input_json_delta', { partial_json: '' }),
    ...pieces.map((piece) => delta(index, 'input_json_delta', { partial_json: piece })),
    blockStop(index),
  ])

export const end = (stop_reason: string): Buffer =>
  Buffer.concat([
    event('message_delta', {
      delta: { stop_reason, stop_sequence: null },
      usage: { output_tokens: 89 },
    }),
    event('message_stop', {}),
  ])

/** A reply with everything that the API documents in a stream. */
export const recorded: Buffer = Buffer.concat([
  start(),
  event('ping', {}),
  blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
  delta(0, 'thinking_delta', { thinking: 'Let me look at the files: ' }),
  delta(0, 'thinking_delta', { thinking: 'first src, then test.' }),
  delta(0, 'signature_delta', {
    signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds',
  }),
  blockStop(0),
  blockStart(1, {
    type: 'redacted_thinking',
    data: 'EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw',
  }),
  blockStop(1),
  text(2, ['Hello', ' – I will', ' look \ud83d', '\ude00 at C:\\src,', '\nthen tell.']),
  blockStart(3, {
    type: 'server_tool_use',
    id: 'srvtoolu_01WYG3ziw53XMcoyKL4XcZmE',
    name: 'web_search',
    input: {},
  }),
  delta(3, 'input_json_delta', { partial_json: '' }),
  delta(3, 'input_json_delta', { partial_json: '{"query"' }),
  delta(3, 'input_json_delta', { partial_json: ': "weather NYC today"}' }),
  blockStop(3),
  blockStart(4, {
    type: 'web_search_tool_result',
    tool_use_id: 'srvtoolu_01WYG3ziw53XMcoyKL4XcZmE',
    content: [
      {
        type: 'web_search_result',
        title: 'Weather in New York City',
        url: 'https://weather.example.com/nyc',
        encrypted_content: 'Ev0DCioIAxgCIiQ3NmU4ZmI4OC1k',
        page_age: null,
      },
    ],
  }),
  blockStop(4),
  blockStart(5, { type: 'text', text: '', citations: [] }),
  delta(5, 'citations_delta', {
    citation: {
      type: 'web_search_result_location',
      cited_text: 'It is sunny.',
      url: 'https://weather.example.com/nyc',
      title: 'Weather in New York City',
      encrypted_index: 'Eo8BCioIAhgBIiQyYjQ0OWJmZi1lNm',
    },
  }),
  delta(5, 'text_delta', { text: 'It is sunny.' }),
  blockStop(5),
  toolUse(6, 'Bash', ['{"comm', 'and": "ls', ' -la"}']),
  end('tool_use'),
])

export type Message = {
  readonly content: readonly JsonObject[]
  readonly stop_reason: unknown
  readonly stopped: boolean
}

/** Puts a stream together again as the SDK does; checks that its blocks begin in order and end. */
export function read(bytes: Uint8Array): Message {
  const decoder = new SseDecoder()
  const content: JsonObject[] = []
  const json = new Map<number, string>()
  let open = -1
  let stop_reason: unknown
  let stopped = false
  for (const frame of decoder.feed(bytes)) {
    if (frame.data === undefined) continue
    if (stopped) throw new Error('an event after the end')
    const event = JSON.parse(frame.data) as JsonObject
    const index = Number(event['index'])
    if (event['type'] === 'content_block_start') {
      if (index !== content.length || open !== -1) throw new Error('blocks out of order')
      content.push(event['content_block'] as JsonObject)
      open = index
    } else if (event['type'] === 'content_block_delta') {
      if (index !== open) throw new Error('a delta outside of its block')
      apply(content[index] as JsonObject, event['delta'] as JsonObject, index, json)
    } else if (event['type'] === 'content_block_stop') {
      if (index !== open) throw new Error('a stop outside of its block')
      open = -1
      const input = json.get(index)
      const block = content[index]
      if (input !== undefined && input !== '' && block) block['input'] = JSON.parse(input)
    } else if (event['type'] === 'message_delta' && isObject(event['delta'])) {
      stop_reason = event['delta']['stop_reason']
    } else if (event['type'] === 'message_stop') {
      stopped = true
    }
  }
  return { content, stop_reason, stopped }
}

function apply(
  block: JsonObject,
  change: JsonObject,
  index: number,
  json: Map<number, string>,
): void {
  for (const [field, value] of Object.entries(change)) {
    if (field === 'type') continue
    if (field === 'partial_json') json.set(index, (json.get(index) ?? '') + String(value))
    else if (field === 'citation')
      block['citations'] = [...((block['citations'] as []) ?? []), value]
    else block[field] = `${typeof block[field] === 'string' ? block[field] : ''}${String(value)}`
  }
}
