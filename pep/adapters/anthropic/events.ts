import { encodeSse } from '../../mask/sse.ts'

export type JsonObject = Record<string, unknown>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An event of our own; `event:` repeats the type, as the API does. */
export function own(type: string, fields: JsonObject): Buffer {
  return encodeSse(type, JSON.stringify({ type, ...fields }))
}

/** A whole text block. */
export function textBlock(index: number, text: string): Buffer {
  return Buffer.concat([
    own('content_block_start', { index, content_block: { type: 'text', text: '' } }),
    own('content_block_delta', { index, delta: { type: 'text_delta', text } }),
    own('content_block_stop', { index }),
  ])
}

/** The end of a message. */
export function messageEnd(stop_reason: string, output_tokens: number): Buffer {
  return Buffer.concat([
    own('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens } }),
    own('message_stop', {}),
  ])
}
