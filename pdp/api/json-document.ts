import { err, ok, type Result } from '../contract/result.ts'

/** Deepest nesting that is read; also the engine's. */
const MOST_DEPTH = 512

/**
 * Reads JSON as strictly as any reader may: a second key of one name, which readers resolve differently, and nesting
 * past 512 are refused.
 * @returns the value, and of an object the text of each member as it was written, number literals and all.
 */
export type JsonDocument = {
  readonly value: unknown
  readonly members: ReadonlyMap<string, string>
}

export function readJsonDocument(text: string): Result<JsonDocument, string> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return err(`not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return scan(text, value)
}

type Level = { readonly keys: Set<string> | undefined; key: string; index: number }

/** Goes once over text that is known to be JSON. */
function scan(text: string, value: unknown): Result<JsonDocument, string> {
  const levels: Level[] = []
  const members = new Map<string, string>()
  let start = 0
  const place = (): string =>
    levels.map(({ keys, key, index }) => `/${keys ? key : index}`).join('')

  for (let at = 0; at < text.length; at += 1) {
    const level = levels.at(-1)
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at)
        if (level?.keys && text[nextToken(text, end + 1)] === ':') {
          level.key = JSON.parse(text.slice(at, end + 1)) as string
          if (level.keys.has(level.key)) return err(`the key ${place()} is there twice`)
          level.keys.add(level.key)
          if (levels.length === 1) start = nextToken(text, end + 1) + 1
        }
        at = end
        break
      }
      case OPEN_OBJECT:
      case OPEN_LIST:
        if (levels.length >= MOST_DEPTH) return err(`nested more than ${MOST_DEPTH} levels deep`)
        levels.push({
          keys: text.charCodeAt(at) === OPEN_OBJECT ? new Set() : undefined,
          key: '',
          index: 0,
        })
        break
      case COMMA:
        if (levels.length === 1 && level?.keys) members.set(level.key, text.slice(start, at).trim())
        if (level && !level.keys) level.index += 1
        break
      case CLOSE_OBJECT:
      case CLOSE_LIST:
        if (levels.length === 1 && level?.keys && level.keys.size > 0)
          members.set(level.key, text.slice(start, at).trim())
        levels.pop()
        break
      default:
    }
  }
  return ok({ value, members })
}

const [QUOTE, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
]

/** Where the quote is that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return text.length
    let escapes = 0
    while (text.charCodeAt(quote - 1 - escapes) === 0x5c) escapes += 1
    if (escapes % 2 === 0) return quote
    at = quote
  }
}

function nextToken(text: string, from: number): number {
  let at = from
  while (at < text.length && ' \t\r\n'.includes(text[at] ?? '')) at += 1
  return at
}
