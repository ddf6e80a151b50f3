import { createStreamReader } from './event-stream.ts'
import { messageParts } from './message.ts'
import { type Grown, indentJson, type Part } from './part.ts'

/** A longer JSON document is shown as text, as it came. */
const MAX_JSON_BYTES = 4 * 1024 * 1024
/** Bytes of a body that is no text that are shown. */
const HEX_BYTES = 64

export type BodyReader = {
  /** @returns what became readable with these bytes. */
  readonly push: (bytes: Uint8Array) => readonly Grown[]
  readonly end: () => readonly Grown[]
}

type Form = 'stream' | 'json' | 'text' | 'binary'

/**
 * Reads a body as it arrived, whatever it is: an event stream, JSON, text, or bytes of which only the size and the
 * first ones are shown. What it is shows in its first bytes: headers come with the outcome, when all is over. Never
 * throws: a body that is not what it seemed goes on as text or bytes.
 */
export function createBodyReader(): BodyReader {
  let form: Form | undefined
  /** What is not given out yet: the first bytes, a JSON document, or what is shown of bytes that are no text. */
  let held: Uint8Array[] = []
  let holds = 0
  let size = 0
  const stream = createStreamReader()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const text: Part = { key: 'body', kind: 'text', title: '' }

  return {
    push(bytes) {
      size += bytes.length
      if (form !== undefined) return read(bytes)
      keep(bytes)
      const first = Buffer.concat(held)
      form = formOf(first)
      if (form === undefined) return []
      hold([])
      return read(first)
    },
    end() {
      switch (form) {
        case 'stream':
          return stream.end()
        case 'json':
          return document(Buffer.concat(held))
        case 'binary':
          return [binary()]
        case 'text':
          return finish()
        case undefined:
        default:
          return holds === 0 ? [] : asText(Buffer.concat(held))
      }
    },
  }

  function read(bytes: Uint8Array): readonly Grown[] {
    if (form === 'json') {
      keep(bytes)
      if (holds <= MAX_JSON_BYTES) return []
      form = 'text'
      return asText(Buffer.concat(held))
    }
    if (form === 'stream') {
      try {
        return stream.push(bytes)
      } catch {
        // Not the stream that it seemed: shown from here on as text, or as bytes when it is not even that.
        form = 'text'
      }
    }
    if (form === 'text') return asText(bytes)
    if (holds < HEX_BYTES) keep(bytes.subarray(0, HEX_BYTES))
    return []
  }

  function hold(bytes: readonly Uint8Array[]): void {
    held = [...bytes]
    holds = bytes.reduce((sum, { length }) => sum + length, 0)
  }

  function keep(bytes: Uint8Array): void {
    held.push(bytes)
    holds += bytes.length
  }

  function document(bytes: Buffer): readonly Grown[] {
    let json: string
    try {
      json = decoder.decode(bytes)
    } catch {
      return [binary()]
    }
    return messageParts(json) ?? [{ part: { ...text, kind: 'data' }, text: pretty(json) }]
  }

  function asText(bytes: Uint8Array): readonly Grown[] {
    try {
      const grown = decoder.decode(bytes, { stream: true })
      return grown === '' ? [] : [{ part: text, text: grown }]
    } catch {
      form = 'binary'
      hold([bytes.subarray(0, HEX_BYTES)])
      return []
    }
  }

  function finish(): readonly Grown[] {
    try {
      decoder.decode()
      return []
    } catch {
      return [binary()]
    }
  }

  function binary(): Grown {
    const hex = Buffer.concat(held)
      .subarray(0, HEX_BYTES)
      .toString('hex')
      .replaceAll(/(..)/g, '$1 ')
      .trim()
    const part: Part = { key: 'binary', kind: 'binary', title: `${size} bytes that are not text` }
    return { part, text: `${hex}${size > HEX_BYTES ? ' …' : ''}` }
  }
}

/** @returns `undefined` while too little is there to tell. */
function formOf(bytes: Buffer): Form | undefined {
  const head = bytes
    .subarray(0, 64)
    .toString('latin1')
    .replace(/^\u00ef\u00bb\u00bf/, '')
  const first = head.trimStart()
  if (first === '') return bytes.length > 64 ? 'text' : undefined
  if (/^[{[]/.test(first)) return 'json'
  if (/^(?:event|data|id|retry)?:/.test(first)) return 'stream'
  if (/^(?:e(?:v(?:en?)?)?|event|d(?:at?)?|data|id?|r(?:e(?:t(?:ry?)?)?)?)$/.test(head))
    return undefined
  return 'text'
}

function pretty(json: string): string {
  try {
    JSON.parse(json)
    return indentJson(json)
  } catch {
    return json
  }
}
