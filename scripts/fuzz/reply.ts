import * as fc from 'fast-check'
import {
  blockStart,
  blockStop,
  delta,
  end,
  event,
  start,
} from '../../pep/adapters/anthropic/testing.ts'
import type { JsonObject } from '../../pep/adapters/anthropic/events.ts'
import { noise, type Piece, places, pieces, render } from './secrets.ts'
import { cutAt } from './target.ts'

/** Replies of the Messages API as data: blocks with secrets in them, what stands between, and what is wrong with them. */

const kinds = [
  'text',
  'text-start',
  'tool',
  'tool-start',
  'server-tool',
  'mcp-tool',
  'unknown-block',
  'search-result',
  'program-result',
  'mcp-result',
  'citation',
  'thinking',
  'compaction',
] as const
const betweens = ['ping', 'comment', 'unknown', 'id'] as const

type Part = {
  readonly kind: (typeof kinds)[number]
  readonly pieces: readonly Piece[]
  /** Where its text is cut into deltas, in code units. */
  readonly cuts: readonly number[] | 'units'
}

/** Something done to the list of events; places are taken modulo its length. */
type EventEdit =
  | { readonly do: 'drop' | 'repeat'; readonly at: number }
  | { readonly do: 'move'; readonly at: number; readonly to: number }
  | { readonly do: 'put'; readonly at: number; readonly stray: string }

export type Reply = {
  readonly parts: readonly Part[]
  /** Events between others, by place. */
  readonly between: readonly {
    readonly at: number
    readonly kind: (typeof betweens)[number]
    readonly pieces: readonly Piece[]
  }[]
  readonly ending: 'message_stop' | 'error' | 'none'
  readonly edits: readonly EventEdit[]
  readonly eol: '\n' | '\r' | '\r\n'
  readonly bom: boolean
  /** JSON over several `data:` lines, and comments and unknown fields inside of events. */
  readonly spread: boolean
  /** Strings of the events in `\uXXXX`. */
  readonly escaped: boolean
}

export const reply: fc.Arbitrary<Reply> = fc.record({
  parts: fc.array(
    fc.record<Part>({
      kind: fc.constantFrom(...kinds),
      pieces,
      cuts: fc.oneof(places, fc.constant<'units'>('units')),
    }),
    { maxLength: 4 },
  ),
  between: fc.array(fc.record({ at: fc.nat(40), kind: fc.constantFrom(...betweens), pieces }), {
    maxLength: 2,
  }),
  ending: fc.oneof(
    { weight: 8, arbitrary: fc.constant<'message_stop'>('message_stop') },
    { weight: 1, arbitrary: fc.constantFrom<'error' | 'none'>('error', 'none') },
  ),
  edits: fc.constant([]),
  eol: fc.constantFrom('\n', '\n', '\r\n', '\r'),
  bom: fc.boolean(),
  spread: fc.boolean(),
  escaped: fc.boolean(),
})

/** Events that no API sends, or not there. */
const strays: readonly (readonly [string, string])[] = [
  ['an unknown stop', '{"type":"content_block_stop","index":99}'],
  ['an index that is text', '{"type":"content_block_stop","index":"0"}'],
  [
    'a second key',
    '{"type":"content_block_delta","index":0,"index":1,"delta":{"type":"text_delta","text":"x"}}',
  ],
  ['a second message', '{"type":"message_start","message":{"content":[]}}'],
  ['a message with content', '{"type":"message_start","message":{"content":[{"type":"text"}]}}'],
  ['no JSON', 'nothing of the kind'],
  ['half of JSON', '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'],
  ['the end of others', '[DONE]'],
  ['a number', '7'],
  ['no type', '{"index":0}'],
  ['a number past all readers', '{"type":"ping","n":1e999}'],
  ['deep nesting', `{"type":"ping","n":${'['.repeat(500)}${']'.repeat(500)}}`],
  ['a delta without a type', '{"type":"content_block_delta","index":0,"delta":{"text":"x"}}'],
  [
    'JSON that never closes',
    '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\": [1, "}}',
  ],
  ['a delta that is a list', '{"type":"content_block_delta","index":0,"delta":["x"]}'],
  [
    'a start in place',
    '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
  ],
  ['the prototype', '{"type":"ping","__proto__":{"a":1},"constructor":"x"}'],
  ['an empty object', '{}'],
  [
    'a usage that is text',
    '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":"7"}}',
  ],
]

export const badReply: fc.Arbitrary<Reply> = fc
  .tuple(
    reply,
    fc.array(
      fc.oneof(
        fc.record({ do: fc.constantFrom<'drop' | 'repeat'>('drop', 'repeat'), at: fc.nat(60) }),
        fc.record({ do: fc.constant<'move'>('move'), at: fc.nat(60), to: fc.nat(60) }),
        fc.record({
          do: fc.constant<'put'>('put'),
          at: fc.nat(60),
          stray: fc.oneof(
            { weight: 3, arbitrary: fc.constantFrom(...strays.map(([name]) => name)) },
            { weight: 1, arbitrary: noise },
          ),
        }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  )
  .map(([good, edits]) => ({ ...good, edits }))

export type Sent = { readonly bytes: Buffer; readonly values: readonly string[] }

/** The bytes of a reply, and what must not be seen of it. */
export function send(of: Reply): Sent {
  const values: string[] = []
  const say = (pieces: readonly Piece[]): string => {
    const rendered = render(pieces)
    values.push(...rendered.values)
    return rendered.text
  }
  const events = [
    start(),
    ...of.parts.flatMap((part, index) => block(part, index, say(part.pieces))),
  ]
  if (of.ending === 'message_stop') events.push(end('end_turn'))
  const between = of.between.map(({ at, kind, pieces }) => ({
    at,
    frame: stray(kind, say(pieces)),
  }))
  for (const { at, frame } of between) events.splice(1 + (at % events.length), 0, frame)
  if (of.ending === 'error')
    events.push(
      event('error', { error: { type: 'api_error', message: say(of.parts[0]?.pieces ?? []) } }),
    )
  const frames = events.flatMap((one) => one.toString().split(/(?<=\n\n)/))
  for (const edit of of.edits) change(frames, edit)
  const text = frames.map((frame) => framed(frame, of)).join('')
  return { bytes: Buffer.from((of.bom ? '\ufeff' : '') + text), values }
}

function change(frames: string[], edit: EventEdit): void {
  if (frames.length === 0) return
  const at = edit.at % frames.length
  if (edit.do === 'drop') frames.splice(at, 1)
  else if (edit.do === 'repeat') frames.splice(at, 0, frames[at] ?? '')
  else if ('to' in edit) {
    const [taken = ''] = frames.splice(at, 1)
    frames.splice(edit.to % (frames.length + 1), 0, taken)
  } else if ('stray' in edit) {
    const known = strays.find(([name]) => name === edit.stray)
    frames.splice(at, 0, `data: ${(known?.[1] ?? edit.stray).replace(/[\r\n]+/g, ' ')}\n\n`)
  }
}

const unicode = (json: string): string =>
  json.replace(/[a-z](?=[^"\\]*"[,}])/g, (unit, at: number) =>
    at % 5 === 0 && !json.slice(Math.max(0, at - 6), at).includes('\\')
      ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
      : unit,
  )

function framed(frame: string, { eol, spread, escaped }: Reply): string {
  let out = frame
  if (escaped) out = out.replace(/^data: (\{.*)$/m, (_, json: string) => `data: ${unicode(json)}`)
  if (spread && out.includes('data: {'))
    out = `: spread\nretry: 10\nx-unknown: y\n${out.replace(/^data: \{/m, 'data: {\ndata:')}`
  return eol === '\n' ? out : out.replaceAll('\n', eol)
}

const ID = 'toolu_01T1x1fJ34qAmk2tNTrN7Up6'

function block({ kind, cuts }: Part, index: number, said: string): Buffer[] {
  const deltas = (type: string, field: string, text: string): Buffer[] =>
    (cuts === 'units' && text.length < 2000
      ? text.split('')
      : cutAt(text, cuts === 'units' ? [] : cuts)
    ).map((piece) => delta(index, type, { [field]: piece }))
  const whole = (content: JsonObject, inner: readonly Buffer[] = []): Buffer[] => [
    blockStart(index, content),
    ...inner,
    blockStop(index),
  ]
  const input = (): Buffer[] =>
    deltas('input_json_delta', 'partial_json', JSON.stringify({ command: said, list: [said] }))
  switch (kind) {
    case 'text':
      return whole({ type: 'text', text: '' }, deltas('text_delta', 'text', said))
    case 'text-start':
      return whole(
        { type: 'text', text: said.slice(0, 9) },
        deltas('text_delta', 'text', said.slice(9)),
      )
    case 'tool':
      return whole({ type: 'tool_use', id: ID, name: 'Bash', input: {} }, input())
    case 'tool-start':
      return whole({ type: 'tool_use', id: ID, name: 'Bash', input: { command: said } })
    case 'server-tool':
      return whole({ type: 'server_tool_use', id: ID, name: 'web_search', input: {} }, input())
    case 'mcp-tool':
      return whole(
        { type: 'mcp_tool_use', id: ID, name: 'find', server_name: 's', input: {} },
        input(),
      )
    case 'unknown-block':
      return whole({ type: 'hologram' }, deltas('hologram_delta', 'shape', said))
    case 'search-result':
      return whole({
        type: 'web_search_tool_result',
        tool_use_id: ID,
        content: [{ type: 'web_search_result', title: said }],
      })
    case 'program-result':
      return whole({
        type: 'bash_code_execution_tool_result',
        tool_use_id: ID,
        content: { stdout: said, stderr: [said] },
      })
    case 'mcp-result':
      return whole({
        type: 'mcp_tool_result',
        tool_use_id: ID,
        content: [{ type: 'text', text: said }],
      })
    case 'citation':
      return whole({ type: 'text', text: '', citations: [] }, [
        delta(index, 'citations_delta', { citation: { type: 'char_location', cited_text: said } }),
        delta(index, 'text_delta', { text: 'x' }),
      ])
    case 'thinking':
      return whole({ type: 'thinking', thinking: '', signature: '' }, [
        ...deltas('thinking_delta', 'thinking', said),
        delta(index, 'signature_delta', { signature: 'EqQBCgIYAhIM1gbcDa9G' }),
      ])
    case 'compaction':
      return whole({ type: 'compaction', content: '' }, deltas('compaction_delta', 'content', said))
    default:
      return kind satisfies never
  }
}

function stray(kind: (typeof betweens)[number], said: string): Buffer {
  const line = said.replace(/[\r\n]+/g, ' ')
  switch (kind) {
    case 'ping':
      return event('ping', { note: said })
    case 'comment':
      return Buffer.from(`: ${line}\n\n`)
    case 'unknown':
      return event('hologram', { shape: { deep: [said] } })
    case 'id':
      return Buffer.from(`event: ping\nid: ${line}\nx${line}: 1\ndata: {"type": "ping"}\n\n`)
    default:
      return kind satisfies never
  }
}
