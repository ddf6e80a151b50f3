import { isUtf8 } from '../../pep/adapters/http/describe.ts'
import { err } from '../../pdp/contract/result.ts'
import { isJson } from '../../pep/facts/http.ts'
import { parseStrict } from '../../pep/facts/json-text.ts'
import { SseDecoder } from '../../pep/mask/sse.ts'
import { createCrossing } from './crossing.ts'
import { createEventStream } from './event-stream.ts'
import { maskJsonBody, maskJsonText } from './json.ts'
import { bodyReadings, type Masker, NotShown } from './masker.ts'
import { createMessageStream, isOfMessage } from './message-stream.ts'
import {
  type Breathe,
  checkPieces,
  type Edit,
  edited,
  type Pieces,
  throughPieces,
} from './pieces.ts'
import { formEdits } from './target.ts'

/** What is known of a body besides its bytes. */
export type About = {
  /** Headers of the message that it is the body of. */
  readonly headers: readonly (readonly [string, string])[]
  /** Whether it is known not to be of the Messages API. */
  readonly plain: boolean
  /** It ends before its stream did. */
  readonly cut: boolean
}

/** Masks a body as what it says it is, and as what it looks like. @throws {NotShown | PepMaskError} */
export async function maskBody(
  masker: Masker,
  given: Pieces,
  about: About,
  breathe: Breathe,
): Promise<Pieces> {
  checkPieces(given)
  if (given.body.length === 0) return given
  const type = typeOf(about)
  const text = textOf(given.body, about.cut)
  const through = (part: Parameters<typeof throughPieces>[1], pieces = given): Promise<Pieces> =>
    throughPieces(pieces, part, breathe, about.cut)
  await breathe()
  const declared = isJson(type)
  const document =
    declared || couldBeJson(text) ? parseStrict(withoutMark(text)) : err('not valid JSON')
  await breathe()
  if (document.ok) return maskJsonBody(masker, given, text, document.value, breathe)
  if (declared && about.cut) return beginningOfJson(masker, given, about, breathe)
  if (declared) throw new NotShown(`it is ${document.error}`)
  if (masker.fields) throw new NotShown('policy masks fields of it, and it is not JSON')
  const edits = await linesOfJson(masker, text, breathe)
  if (edits) return throughPieces(edited(given, edits), masker.mask.utf8(), breathe, false)
  if (/^[\s\ufeff]*\{\s*"/.test(text) && !type.startsWith('text/') && !about.plain)
    throw new NotShown('it looks like JSON and is none')
  if (type === 'text/event-stream' || (/(?:^|[\r\n])\ufeff?data:/.test(text) && !isForm(type)))
    return through(
      (await isMessage(given.body, breathe))
        ? createMessageStream(masker, breathe)
        : createEventStream(masker, breathe),
    )
  const form = isForm(type) || (type === '' && /^[^\s&=]+=\S*$/.test(text))
  const masked = await through(
    masker.mask.utf8(),
    form ? edited(given, formEdits(masker, text)) : given,
  )
  await checkReadings(masker, masked.body.toString('utf8'), breathe)
  return masked
}

const isForm = (type: string): boolean => type === 'application/x-www-form-urlencoded'
const couldBeJson = (text: string): boolean => /^[\s\ufeff]*[[{]/.test(text)
const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text)

/** @returns the media type, lower case; empty when nothing is said. @throws {NotShown} for what is no text. */
function typeOf({ headers }: About): string {
  const said = (name: string): string[] =>
    headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value.toLowerCase())
  if (said('content-encoding').some((encoding) => !/^\s*(identity)?\s*$/.test(encoding)))
    throw new NotShown('it is encoded')
  const types = said('content-type')
  if (types.length > 1) throw new NotShown('it has two types')
  const [type = '', ...parameters] = (types[0] ?? '').split(';')
  if (!isUtf8(parameters)) throw new NotShown('it is not UTF-8')
  if (/^\s*(?:image|audio|video|font)\//.test(type)) throw new NotShown('it is no text')
  return type.trim()
}

/** Magic numbers of files that may be of ASCII alone. */
const files = /^(?:%PDF-|%!PS|GIF8)/
/** What no text has: all control characters but white space, backspace and escape. */
// eslint-disable-next-line no-control-regex
const binary = /[\0-\x07\x0e-\x1a\x1c-\x1f\x7f]/

function textOf(body: Buffer, cut: boolean): string {
  let text: string
  try {
    // What is cut may end inside a character.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body, { stream: cut })
  } catch {
    throw new NotShown('it is not UTF-8')
  }
  if (binary.test(text) || files.test(text)) throw new NotShown('it is no text')
  return text
}

/** JSON that is cut off: its strings one by one. Where blocks of a message may hold a value together that is not enough. */
async function beginningOfJson(
  masker: Masker,
  body: Pieces,
  { plain }: About,
  breathe: Breathe,
): Promise<Pieces> {
  if (!plain) throw new NotShown('it is cut off, and cannot be read without its end')
  return throughPieces(body, masker.mask.json(), breathe, true)
}

/** @returns edits of documents that stand in a line each; `undefined` when it is something else. */
async function linesOfJson(
  masker: Masker,
  text: string,
  breathe: Breathe,
): Promise<Edit[] | undefined> {
  if (!/^\s*[[{][^\n]*\n\s*[[{]/.test(text)) return undefined
  const crossing = createCrossing(masker)
  const edits: Edit[] = []
  let at = 0
  for (const line of text.split('\n')) {
    const length = Buffer.byteLength(line)
    if (line.trim() !== '') {
      let document: unknown
      try {
        document = JSON.parse(line)
      } catch {
        return undefined
      }
      crossing.add(document)
      const masked = await maskJsonText(masker, line, breathe)
      if (masked !== line) edits.push({ at, length, bytes: Buffer.from(masked) })
    }
    at += length + 1
    await breathe()
  }
  crossing.check()
  return edits
}

async function isMessage(body: Buffer, breathe: Breathe): Promise<boolean> {
  const decoder = new SseDecoder(16 * 1024 * 1024)
  for (let at = 0; at < body.length; at += STRETCH) {
    if (decoder.feed(body.subarray(at, at + STRETCH)).some(isOfMessage)) return true
    await breathe()
  }
  return false
}

const STRETCH = 64 * 1024

/** @throws {NotShown} when something shows only once the text is read in another way. */
async function checkReadings(masker: Masker, text: string, breathe: Breathe): Promise<void> {
  for (const reading of bodyReadings(text)) {
    const one = masker.mask.text()
    for (let at = 0; at < reading.length; at += STRETCH) {
      one.push(reading.slice(at, at + STRETCH))
      await breathe()
    }
    one.end()
    if (Object.keys(one.counts).length > 0)
      throw new NotShown('it holds a value behind its escapes')
  }
}
