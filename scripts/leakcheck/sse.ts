/**
 * A reader of event streams (WHATWG HTML §9.2.6) that is strict about what nobody should send. It shares no code with
 * what it judges.
 */
export type SseEvent = {
  /** `event:` field, or empty. */
  readonly name: string
  readonly data: string
  /** Where in the stream it was complete: behind its blank line. */
  readonly end: number
}

export type SseStream = {
  readonly events: readonly SseEvent[]
  /** What is wrong with it, in words. */
  readonly problems: readonly string[]
}

const LF = 10
const CR = 13

type Line = { readonly text: string; readonly end: number }

export function readSse(bytes: Buffer): SseStream {
  const events: SseEvent[] = []
  const problems: string[] = []
  let name = ''
  let data: string[] = []
  let pending = false
  const { lines, rest } = linesOf(bytes, problems)
  for (const { text, end } of lines) {
    if (text === '') {
      if (data.length > 0) events.push({ name, data: data.join('\n'), end })
      else if (name !== '') problems.push('an event without data')
      name = ''
      data = []
      pending = false
      continue
    }
    pending = true
    const { field, value } = fieldOf(text)
    if (field === 'data') data.push(value)
    else if (field === 'event') name = value
    else if (field !== '' && field !== 'id' && field !== 'retry')
      problems.push(`a line that is no field: ${excerpt(text)}`)
  }
  if (pending || rest !== '') problems.push('the stream ends inside an event')
  return { events, problems }
}

/** Lines with where they end. `rest` has no end of its own. */
function linesOf(bytes: Buffer, problems: string[]): { lines: Line[]; rest: string } {
  const lines: Line[] = []
  let from = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== LF && byte !== CR) continue
    const end = byte === CR && bytes[at + 1] === LF ? at + 2 : at + 1
    lines.push({ text: decoded(bytes.subarray(from, at), from, problems), end })
    from = end
    at = end - 1
  }
  return { lines, rest: decoded(bytes.subarray(from), from, problems) }
}

function decoded(bytes: Buffer, at: number, problems: string[]): string {
  const withoutMark = at === 0 && bytes.subarray(0, 3).equals(MARK) ? bytes.subarray(3) : bytes
  try {
    return strict.decode(withoutMark)
  } catch {
    problems.push('bytes that are not UTF-8')
    return withoutMark.toString('utf8')
  }
}

const MARK = Buffer.from([0xef, 0xbb, 0xbf])
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A line that begins with a colon is a comment: its field is empty. */
function fieldOf(line: string): { field: string; value: string } {
  const colon = line.indexOf(':')
  if (colon === -1) return { field: line, value: '' }
  const from = line[colon + 1] === ' ' ? colon + 2 : colon + 1
  return { field: line.slice(0, colon), value: line.slice(from) }
}

/** The begin of what others wrote; a secret may be in it. */
const excerpt = (text: string): string => JSON.stringify(text.slice(0, 4))
