import type { Case } from './case.ts'
import { controls } from './controls.ts'
import { escapes, type Frame, type Framing, ping, plainFraming } from './frames.ts'
import { type Place, places } from './places.ts'
import { scriptOf, type Writes } from './script.ts'
import { hinted, type Secret, secrets } from './secrets.ts'

/** One way to cut up a reply. */
type Variant = {
  readonly name: string
  readonly says: string
  /** Positions inside the secret as it is written, behind which a new event begins. */
  readonly cuts?: readonly number[]
  readonly written?: (secret: string) => string
  readonly framing?: Partial<Framing>
  readonly writes?: Writes
  /** Events and comments between the pieces. */
  readonly between?: readonly Frame[]
}

const upTo = (end: number): number[] => Array.from({ length: end - 1 }, (_, at) => at + 1)

/** Positions that stand for all of them. */
const few = (length: number): number[] => [
  ...new Set([1, length >> 2, length >> 1, length - (length >> 2), length - 1]),
]

const at = (position: number, length: number, secret: Secret): Variant => ({
  name: `at-${position}`,
  says: `split ${position} of ${length - 1}: '${hinted(secret)}'`,
  cuts: [position],
})

/** Variants of every place. */
function unsplit(secret: Secret): Variant[] {
  const begin = secret.text.slice(0, 4)
  const cut = (find: string | Buffer, at: number): Writes => ({ each: 'half', find, at })
  return [
    { name: 'whole', says: 'whole in one event' },
    { name: 'one-write', says: 'the reply in one write', writes: { each: 'reply' } },
    { name: 'bytes', says: 'one byte a write', writes: { each: 'byte' } },
    { name: 'tcp-secret', says: 'two writes, cut in the secret', writes: cut(begin, 2) },
    // Two of the four bytes of the smiley.
    {
      name: 'tcp-utf8',
      says: 'two writes, cut in a character',
      writes: cut(Buffer.from('😀'), 2),
    },
    { name: 'crlf', says: 'lines end in CRLF', framing: { newline: '\r\n' } },
    { name: 'cr', says: 'lines end in CR', framing: { newline: '\r' } },
    {
      name: 'crlf-bytes',
      says: 'CRLF, one byte a write',
      framing: { newline: '\r\n' },
      writes: { each: 'byte' },
    },
    {
      name: 'cr-bytes',
      says: 'CR, one byte a write',
      framing: { newline: '\r' },
      writes: { each: 'byte' },
    },
    { name: 'data-lines', says: 'several data: lines an event', framing: { dataLines: true } },
  ]
}

const escaped: Variant = {
  name: 'escaped',
  says: 'written as \\uXXXX',
  framing: { escaped: true },
}

/** Variants of places whose text comes in deltas. */
function split(length: number): Variant[] {
  const middle = [length >> 1]
  const all = upTo(length)
  return [
    { name: 'chars', says: 'one character an event', cuts: all },
    { name: 'crlf-split', says: 'CRLF, split', cuts: middle, framing: { newline: '\r\n' } },
    { name: 'cr-split', says: 'CR, split', cuts: middle, framing: { newline: '\r' } },
    {
      name: 'between',
      says: 'pings and comments between the pieces',
      cuts: few(length),
      between: [ping, { comment: 'keep-alive' }, ping],
    },
    {
      name: 'lines-split',
      says: 'several data: lines an event, split',
      cuts: middle,
      framing: { dataLines: true },
    },
    {
      name: 'escaped-chars',
      says: 'one character an event, as \\uXXXX',
      cuts: all,
      framing: { escaped: true },
    },
    {
      name: 'split-bytes',
      says: 'split, one byte a write',
      cuts: few(length),
      writes: { each: 'byte' },
    },
    {
      name: 'chars-one-write',
      says: 'one character an event, in one write',
      cuts: all,
      writes: { each: 'reply' },
    },
  ]
}

/** Escapes of the tool input itself, cut in their middle. */
function escapedInput(secret: Secret): Variant[] {
  const written = escapes
  const length = 6 * secret.text.length
  const inMiddle = few(secret.text.length).map((position) => 6 * position + 3)
  return [
    { name: 'input-escaped', says: 'the input as \\uXXXX', written },
    {
      name: 'input-escaped-split',
      says: 'the input as \\uXXXX, cut in escapes',
      written,
      cuts: inMiddle.filter((position) => position < length),
    },
    {
      name: 'input-escaped-chars',
      says: 'the input as \\uXXXX, one character an event',
      written,
      cuts: upTo(length),
    },
  ]
}

function variantsOf(place: Place, secret: Secret): Variant[] {
  const { length } = place.written(secret.text)
  const always = place.name === 'sse_comment' ? unsplit(secret) : [...unsplit(secret), escaped]
  if (place.splits === 'none') return always
  const positions = place.splits === 'every' ? upTo(length) : few(length)
  return [
    ...always,
    ...positions.map((position) => at(position, length, secret)),
    ...split(length),
    ...(place.name === 'tool_input' ? escapedInput(secret) : []),
  ]
}

function caseOf(place: Place, secret: Secret, variant: Variant): Case {
  const written = (variant.written ?? place.written)(secret.text)
  const [before, after] = place.around
  const ends = [0, ...(variant.cuts ?? []), written.length]
  const inner = ends.slice(1).map((end, k) => written.slice(ends[k], end))
  const pieces = inner.map((piece, k) =>
    [k === 0 ? before : '', piece, k === inner.length - 1 ? after : ''].join(''),
  )
  const frames = place.frames(pieces)
  const spaced = variant.between ? frames.flatMap((frame) => withBetween(frame, variant)) : frames
  return {
    id: `${secret.kind}.${place.name}.${variant.name}`,
    kind: secret.kind,
    place: place.name,
    says: variant.says,
    secret,
    script: scriptOf(spaced, variant.writes, { ...plainFraming, ...variant.framing }),
    ends: place.ends,
  }
}

const withBetween = (frame: Frame, { between = [] }: Variant): Frame[] =>
  'type' in frame && frame.type === 'content_block_delta' ? [...between, frame] : [frame]

/** Every case: each kind of secret in each place, cut up, and the controls. */
export function allCases(): readonly Case[] {
  const leaks = secrets.flatMap((secret) =>
    places.flatMap((place) =>
      variantsOf(place, secret).map((variant) => caseOf(place, secret, variant)),
    ),
  )
  return [...leaks, ...controls()]
}

/** @param only ids, or whole parts of them: `email`, `text`, `email.text`, `text.at-7`, `email.text.at-7`. */
export function selected(cases: readonly Case[], only: readonly string[]): readonly Case[] {
  if (only.length === 0) return cases
  return cases.filter(({ id }) => only.some((part) => `.${id}.`.includes(`.${part}.`)))
}
