import { compileMask, type Mask } from './mask.ts'
import { encodeSse, SseDecoder } from './sse.ts'
import { builtinNames } from './types.ts'

/** Measurements of the mask engine, for the bench script. Every detector is on. */

const key = new Uint8Array(32).fill(1)
const all = (): Mask =>
  compileMask([{ detectors: [...builtinNames], style: 'redact' }], {
    keys: { hash: key, token: key },
  })

const prose =
  'The gateway reads what the agent sends, decides, and passes it on. Nothing in this paragraph is worth hiding: it has ' +
  "words, commas, a dash - or two -, numbers such as 42 and 1,250, the year 2024, and it's as plain as most replies.\n"
const code =
  'export function parse(input: string, from = 0): Result {\n  let at = from\n  while (at < input.length && ' +
  'isSpace(input.charCodeAt(at))) at++ // skip blanks\n  const end = input.indexOf("\\n", at)\n  return { ok: true, value: ' +
  'input.slice(at, end === -1 ? undefined : end), next_at: end + 1, retries: 3 }\n}\n'

/** English and code in which nothing is found, `megabytes` of 10⁶ bytes, ASCII. */
export function cleanText(megabytes: number): string {
  const unit = (prose.repeat(3) + code.repeat(2)).repeat(20)
  return unit.repeat(Math.ceil((megabytes * 1e6) / unit.length)).slice(0, megabytes * 1e6)
}

/** Clean text with one value in every kilobyte. */
export function textWithFindings(megabytes: number): string {
  const clean = cleanText(megabytes)
  const values = [' ada@example.com ', ' 4111 1111 1111 1111 ', ' 192.0.2.17 ', ' +1 415-555-0132 ']
  let text = ''
  for (let at = 0, k = 0; at < clean.length; at += 1000, k++)
    text += clean.slice(at, at + 980) + (values[k % 4] ?? '')
  return text
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN

/** @returns MB/s (10⁶ bytes), the median of `rounds`, of UTF-8 bytes in pieces of `pieceBytes`, decoded, masked and encoded. */
export function throughput(text = cleanText(8), pieceBytes = 16_384, rounds = 7): number {
  const mask = all()
  const bytes = Buffer.from(text)
  const run = (): number => {
    const masker = mask.utf8()
    const start = performance.now()
    for (let at = 0; at < bytes.length; at += pieceBytes)
      masker.push(bytes.subarray(at, at + pieceBytes))
    masker.end()
    return bytes.length / 1000 / (performance.now() - start)
  }
  run()
  return median(Array.from({ length: rounds }, run))
}

/** @returns MB/s of the text masker alone, on strings. */
export function textThroughput(text = cleanText(8), pieceUnits = 16_384, rounds = 7): number {
  const mask = all()
  // Pieces as a parser gives them out: strings of their own.
  const pieces: string[] = []
  for (let at = 0; at < text.length; at += pieceUnits) {
    pieces.push(Buffer.from(text.slice(at, at + pieceUnits)).toString('utf8'))
  }
  const run = (): number => {
    const masker = mask.text()
    const start = performance.now()
    for (const piece of pieces) masker.push(piece)
    masker.end()
    return text.length / 1000 / (performance.now() - start)
  }
  run()
  return median(Array.from({ length: rounds }, run))
}

/** @returns MB/s of the JSON masker on records like those of an HTTP API. */
export function jsonThroughput(rounds = 7): number {
  const record = (id: number) => ({
    id,
    name: 'Some Customer',
    tags: ['a', 'b'],
    active: true,
    score: id * 0.37,
    note: prose.slice(0, 120),
    nested: { created: '2024-05-06T07:08:09Z', path: '/v1/items' },
  })
  const bytes = Buffer.from(JSON.stringify(Array.from({ length: 4000 }, (_, id) => record(id))))
  const mask = all()
  const run = (): number => {
    const masker = mask.json()
    const start = performance.now()
    for (let at = 0; at < bytes.length; at += 16_384) masker.push(bytes.subarray(at, at + 16_384))
    masker.end()
    return bytes.length / 1000 / (performance.now() - start)
  }
  run()
  return median(Array.from({ length: rounds }, run))
}

export type EventTimes = {
  readonly p50_us: number
  readonly p99_us: number
  /** Code units held back after an event, on average and at most; and events that let nothing out. */
  readonly held_mean: number
  readonly held_max: number
  readonly held_events: number
  /** Code units held back once the block ended. */
  readonly held_end: number
  readonly events: number
}

/**
 * What masking adds to each event of a reply as Claude streams it: decode the frame, parse its JSON, mask the delta,
 * encode a new frame where the text changed.
 */
export function eventTimes(events = 20_000): EventTimes {
  const text = cleanText(1)
  const words = text.match(/\s*\S+/g) ?? []
  const frames = Array.from({ length: events }, (_, k) =>
    encodeSse(
      'content_block_delta',
      JSON.stringify({
        type: 'content_block_delta',
        index: 0,
        delta: {
          type: 'text_delta',
          text: (words[(k * 2) % words.length] ?? '') + (words[(k * 2 + 1) % words.length] ?? ''),
        },
      }),
    ),
  )
  const decoder = new SseDecoder()
  const masker = all().text()
  const times: number[] = []
  let held = 0
  let most = 0
  let silent = 0
  for (const frame of frames) {
    const start = performance.now()
    let out = ''
    for (const { data } of decoder.feed(frame)) {
      const event = JSON.parse(data ?? '{}') as { delta: { text: string } }
      out = masker.push(event.delta.text)
      if (out !== event.delta.text) {
        event.delta.text = out
        encodeSse('content_block_delta', JSON.stringify(event))
      }
    }
    times.push((performance.now() - start) * 1000)
    held += masker.held
    most = Math.max(most, masker.held)
    if (out === '') silent++
  }
  masker.end()
  const held_end = masker.held
  times.sort((a, b) => a - b)
  return {
    held_end,
    p50_us: times[events >> 1] ?? NaN,
    p99_us: times[Math.floor(events * 0.99)] ?? NaN,
    held_mean: held / events,
    held_max: most,
    held_events: silent,
    events,
  }
}
