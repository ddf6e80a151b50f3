/** Replies of the Messages API as server-sent events, in every framing that a reader has to understand. */

export type Fields = Readonly<Record<string, unknown>>

/** An event, or a comment between events. */
export type Frame =
  | { readonly type: string; readonly fields: Fields }
  | { readonly comment: string; readonly id?: string }

export type Framing = {
  readonly newline: '\n' | '\r\n' | '\r'
  /** JSON over several `data:` lines. */
  readonly dataLines: boolean
  /** Every character of the texts as `\uXXXX`. */
  readonly escaped: boolean
}

export const plainFraming: Framing = { newline: '\n', dataLines: false, escaped: false }

export const event = (type: string, fields: Fields = {}): Frame => ({ type, fields })

export function encodeFrame(frame: Frame, framing: Framing): Buffer {
  const lines =
    'comment' in frame
      ? [`: ${frame.comment}`, ...(frame.id === undefined ? [] : [`id: ${frame.id}`])]
      : [`event: ${frame.type}`, ...dataLines({ type: frame.type, ...frame.fields }, framing)]
  return Buffer.from([...lines, '', ''].join(framing.newline))
}

function dataLines(value: Fields, { dataLines, escaped }: Framing): string[] {
  const json = escaped ? escapedJson(value) : JSON.stringify(value, null, dataLines ? 1 : undefined)
  return json.split('\n').map((line) => `data: ${line}`)
}

/** Fields whose value is text; names and types stay readable. */
const texts: ReadonlySet<string> = new Set([
  'text',
  'thinking',
  'partial_json',
  'cited_text',
  'title',
  'stdout',
  'message',
])

function escapedJson(value: Fields): string {
  const taken: string[] = []
  const json = JSON.stringify(value, (key, inner: unknown) =>
    texts.has(key) && typeof inner === 'string' ? `@@${taken.push(inner) - 1}@@` : inner,
  )
  return json.replace(/"@@(\d+)@@"/g, (_, at: string) => `"${escapes(taken[Number(at)] ?? '')}"`)
}

/** Each UTF-16 unit as `\uXXXX`. */
export function escapes(text: string): string {
  let out = ''
  for (let at = 0; at < text.length; at++)
    out += `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
  return out
}

export const messageStart: Frame = event('message_start', {
  message: {
    id: 'msg_leakcheck',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 1 },
  },
})

export const messageEnd = (stop_reason: string): readonly Frame[] => [
  event('message_delta', {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens: 42 },
  }),
  event('message_stop'),
]

export const ping: Frame = event('ping')

/** A content block: its start, its deltas, its stop. */
export const block = (index: number, content: Fields, deltas: readonly Fields[]): Frame[] => [
  event('content_block_start', { index, content_block: content }),
  ...deltas.map((delta) => event('content_block_delta', { index, delta })),
  event('content_block_stop', { index }),
]

export const textDeltas = (pieces: readonly string[]): Fields[] =>
  pieces.map((text) => ({ type: 'text_delta', text }))
export const inputDeltas = (pieces: readonly string[]): Fields[] =>
  pieces.map((partial_json) => ({ type: 'input_json_delta', partial_json }))
