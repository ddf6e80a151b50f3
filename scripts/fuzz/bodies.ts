import * as fc from 'fast-check'
import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { createMasks, Findings } from '../../pep/core/masks.ts'
import { inspectJson } from '../../pep/adapters/anthropic/reply-json.ts'
import { maskRequest } from '../../pep/adapters/anthropic/request-mask.ts'
import { parseMessages } from '../../pep/adapters/anthropic/describe.ts'
import {
  jsonPlaces,
  releasing,
  seenIn,
  stringsOf,
} from '../../pep/adapters/anthropic/testing-places.ts'
import { builtinNames } from '../../pep/mask/types.ts'
import { DecodeError, decoderOf } from '../../pep/upstream/decode.ts'
import { type Doc, docs, edited, edits, type Edit, write } from './docs.ts'
import { expectNone, type Piece, pieces, places, render } from './secrets.ts'
import { Broken, cutAt, same, target } from './target.ts'

/** Bodies that come as a whole: the reply that is not streamed, the request, and what is compressed. */

const parts = releasing()
const masks = createMasks(new Uint8Array(32).fill(7))
const masking = masks.of(
  [{ kind: 'mask', where: 'request', detectors: [...builtinNames], style: 'redact' }],
  { customs: [], literals: [], session: 's' },
)

/** A document in a place of a body: the place is made with a mark, and the mark is what the document replaces. */
const MARK = '\u0001mark'
const inPlace = (body: unknown, json: string): string =>
  JSON.stringify(body).replaceAll(JSON.stringify(MARK), () => json)

const isKey = (body: unknown): boolean => JSON.stringify(body).includes(`${JSON.stringify(MARK)}:`)

const replyBodies: readonly ((value: string) => unknown)[] = [
  // Not where the text is a key as well.
  ...jsonPlaces.map(([, place]) => place).filter((place) => !isKey(place(MARK))),
  (value) => ({ content: [{ type: 'hologram', deep: value }], new: value, usage: { n: 1 } }),
]

const user = (content: unknown) => ({ model: 'm', messages: [{ role: 'user', content }] })
const requestBodies: readonly ((value: string) => unknown)[] = [
  (value) => ({ model: 'm', system: value, messages: [] }),
  user,
  (value) => user([{ type: 'text', text: value }]),
  (value) =>
    user([{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: value }] }]),
  (value) =>
    user([{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: value } }]),
  (value) => user([{ type: 'tool_use', id: 't', name: 'x', input: { deep: value } }]),
  (value) => user([{ type: 'hologram', shape: [value] }]),
  (value) => ({ ...user('x'), tools: [{ name: 'x', description: value }] }),
]

type Filling = { readonly text: readonly Piece[] } | { readonly doc: Doc }
const filling: fc.Arbitrary<Filling> = fc.oneof(
  fc.record({ text: pieces }),
  fc.record({ doc: docs }),
)

function filled(make: (value: string) => unknown, filling: Filling, spread: boolean) {
  if ('doc' in filling) {
    const { json, values, inKeys } = write(filling.doc, spread)
    const body = inPlace(make(MARK), json)
    // Keys are looked into in inputs of tools alone; everywhere else the API names them.
    const everywhere = inKeys.length === 0 || body.includes('"input":{')
    return { body, values: everywhere ? values : [] }
  }
  const { text, values } = render(filling.text)
  return { body: JSON.stringify(make(text)), values }
}

/** The shape of a document, without its texts. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape)
  if (typeof value === 'object' && value !== null) return Object.values(value).map(shape)
  return typeof value === 'number' ? 'text' : typeof value === 'string' ? 'text' : value
}

function expectSame(body: string, out: string, values: readonly string[]): void {
  let value: unknown
  try {
    value = JSON.parse(out)
  } catch (error) {
    throw new Broken('the output is not JSON', String(error))
  }
  expectNone(values, seenIn(Buffer.from(out), [stringsOf(value)]))
  same('the document has another shape', shape(value), shape(JSON.parse(body)))
}

const bodyInput = (makes: readonly unknown[]) =>
  fc.record({ place: fc.nat(makes.length - 1), filling, spread: fc.boolean() })

const replyTarget = target({
  name: 'reply',
  runs: 200,
  input: bodyInput(replyBodies),
  async check({ place, filling, spread }) {
    const { body, values } = filled(replyBodies[place] ?? user, filling, spread)
    const inspected = await inspectJson(parts, Buffer.from(body))
    // What a key must be is bounded; everything else has to come through.
    if (inspected.ok) expectSame(body, inspected.value.toString(), values)
    else if (Buffer.byteLength(body) < 8000)
      throw new Broken('a reply is refused', inspected.error.message)
  },
})

const replyEdited = target<{ place: number; filling: Filling; edits: Edit[] }>({
  name: 'reply-edited',
  runs: 300,
  input: fc.record({ place: fc.nat(replyBodies.length - 1), filling, edits }),
  async check({ place, filling, edits }) {
    const { body } = filled(replyBodies[place] ?? user, filling, false)
    const inspected = await inspectJson(parts, edited(Buffer.from(body), edits))
    if (!inspected.ok) return
    try {
      JSON.parse(inspected.value.toString())
    } catch (error) {
      throw new Broken('the output is not JSON', String(error))
    }
  },
})

const request = target({
  name: 'request',
  runs: 200,
  input: bodyInput(requestBodies),
  check({ place, filling, spread }) {
    const { body, values } = filled(requestBodies[place] ?? user, filling, spread)
    const parsed = parseMessages(Buffer.from(body))
    if (!parsed.ok) throw new Broken('a request is refused', parsed.error.message)
    const { text, request } = parsed.value
    const masked = maskRequest(masking, new Findings(), text, request)
    if (masked.ok) {
      expectSame(body, masked.value, values)
    } else if (Buffer.byteLength(body) < 8000)
      throw new Broken('a request is refused', masked.error.message)
  },
})

const requestEdited = target<{ place: number; filling: Filling; edits: Edit[] }>({
  name: 'request-edited',
  runs: 300,
  input: fc.record({ place: fc.nat(requestBodies.length - 1), filling, edits }),
  check({ place, filling, edits }) {
    const { body } = filled(requestBodies[place] ?? user, filling, false)
    const parsed = parseMessages(edited(Buffer.from(body), edits))
    if (!parsed.ok) return
    const masked = maskRequest(masking, new Findings(), parsed.value.text, parsed.value.request)
    if (!masked.ok) return
    try {
      JSON.parse(masked.value)
    } catch (error) {
      throw new Broken('the output is not JSON', String(error))
    }
  },
})

const pack = {
  gzip: promisify(zlib.gzip),
  deflate: promisify(zlib.deflate),
  br: (bytes: Buffer) =>
    promisify(zlib.brotliCompress)(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 2 } }),
  zstd: promisify(zlib.zstdCompress),
} as const

/** Most of what a body that unpacks to zeros may give before it is taken for a bomb. */
const MOST_UNPACKED = 16 * 1024 * 1024

const packed = target({
  name: 'packed',
  runs: 20,
  input: fc.record({
    encoding: fc.constantFrom('gzip', 'deflate', 'br', 'zstd'),
    pieces,
    /** Megabytes of one byte in front. */
    zeros: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.constantFrom(1, 9, 64) },
    ),
    cuts: places,
    edits: fc.option(edits, { nil: [] }),
    keep: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  }),
  async check({ encoding, pieces, zeros, cuts, edits, keep }) {
    const raw = Buffer.concat([Buffer.alloc(zeros * 1024 * 1024), Buffer.from(render(pieces).text)])
    const sound = await pack[encoding](raw)
    const spoilt = edited(sound, edits)
    const sent = spoilt.subarray(0, Math.ceil(spoilt.length * keep))
    const decode = decoderOf(encoding)
    if (decode === undefined) throw new Broken('an encoding is not known', encoding)
    async function* chunks(): AsyncGenerator<Buffer> {
      yield* cutAt(sent, cuts)
    }
    let length = 0
    let error: unknown
    const out: Buffer[] = []
    try {
      for await (const chunk of decode(chunks())) {
        length += chunk.length
        if (zeros === 0) out.push(chunk)
        if (length > MOST_UNPACKED + sent.length * 100)
          throw new Broken('a bomb is unpacked', String(length))
      }
    } catch (thrown) {
      if (!(thrown instanceof DecodeError)) throw thrown
      error = thrown
    }
    if (!sent.equals(sound)) return
    const bomb = zeros > 8 && raw.length > sound.length * 100
    if (bomb && error === undefined) throw new Broken('a bomb is unpacked', String(length))
    if (!bomb && zeros === 0 && !(error === undefined && Buffer.concat(out).equals(raw)))
      throw new Broken('what was packed comes out otherwise', String(error))
  },
})

export const bodies = [replyTarget, replyEdited, request, requestEdited, packed]
