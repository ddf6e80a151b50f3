import * as fc from 'fast-check'
import { PepMaskError } from '../../pep/mask/errors.ts'
import { compileMask, type Mask } from '../../pep/mask/mask.ts'
import { createRestorer } from '../../pep/mask/restore.ts'
import { noisyText, testKeys } from '../../pep/mask/testing.ts'
import { MOST_LETTERS, sessionTokens } from '../../pep/mask/tokens.ts'
import { builtinNames } from '../../pep/mask/types.ts'
import { stringsOf } from '../../pep/adapters/anthropic/testing-places.ts'
import { docs, edited, edits, write } from './docs.ts'
import { expectNone, noise, pieces, places, render } from './secrets.ts'
import { Broken, cutAt, same, target } from './target.ts'

/** The mask engine by itself: text, JSON, tokens. */

const styles = ['redact', 'hash', 'token'] as const
const masks = Object.fromEntries(
  styles.map((style) => [
    style,
    compileMask([{ detectors: [...builtinNames], style }], { keys: testKeys }),
  ]),
) as Record<(typeof styles)[number], Mask>
const observing = compileMask([{ detectors: [...builtinNames], style: 'redact', observe: true }], {
  keys: testKeys,
})
const style = fc.constantFrom(...styles)

/** More than any detector holds, so that a stream never waits for long. */
const MOST_HELD = 4096

function maskText(mask: Mask, parts: readonly string[], bounded: boolean): string {
  const masker = mask.text()
  let out = ''
  for (const part of parts) {
    out += masker.push(part)
    if (bounded && masker.held > MOST_HELD)
      throw new Broken('text is held without bound', String(masker.held))
  }
  return out + masker.end()
}

/**
 * Of values that overlap, where two readings of a text part, which are told and by which digest or token may depend on
 * the split; nothing else.
 */
const sameText = (what: string, one: string, other: string): void =>
  same(what, untold(one), untold(other))
const untold = (text: string): string =>
  text.replace(/(?:\[(?:REDACTED:[\w:]+|[\w:]+:[ht]:[0-9a-zA-F]+|[\w:]+:\*[^\]]*)\])+/g, '[…]')

const text = target({
  name: 'text',
  runs: 100,
  input: fc.record({ pieces, cuts: places, style }),
  check({ pieces, cuts, style }) {
    const { text, values } = render(pieces)
    const whole = maskText(masks[style], [text], false)
    expectNone(values, whole)
    sameText(
      'text that was split is masked otherwise',
      maskText(masks[style], cutAt(text, cuts), style === 'redact'),
      whole,
    )
    if (text.length < 3000)
      sameText(
        'text in single units is masked otherwise',
        maskText(masks[style], text.split(''), style === 'redact'),
        whole,
      )
    if (maskText(observing, cutAt(text, cuts), false) !== text)
      throw new Broken('what is only observed was altered')
  },
})

/** Candidates that meet and overlap: what is left of each may be anything, but not depend on splits. */
const overlaps = target({
  name: 'overlaps',
  runs: 200,
  input: fc.record({
    texts: fc.array(fc.oneof(noisyText, noise), { maxLength: 4 }),
    cuts: places,
    style,
  }),
  check({ texts, cuts, style }) {
    const text = texts.join('')
    const whole = maskText(masks[style], [text], false)
    sameText(
      'text that was split is masked otherwise',
      maskText(masks[style], cutAt(text, cuts), style === 'redact'),
      whole,
    )
    sameText(
      'text in single units is masked otherwise',
      maskText(masks[style], text.split(''), style === 'redact'),
      whole,
    )
  },
})

function maskBytes(parts: readonly Buffer[]): Buffer | PepMaskError {
  const masker = masks.redact.json()
  try {
    return Buffer.concat([...parts.map((part) => masker.push(part)), masker.end()])
  } catch (error) {
    if (error instanceof PepMaskError) return error
    throw error
  }
}

const json = target({
  name: 'json',
  runs: 100,
  input: fc.record({ doc: docs, spread: fc.boolean(), cuts: places }),
  check({ doc, spread, cuts }) {
    const { json, values } = write(doc, spread)
    const bytes = Buffer.from(json)
    const out = maskBytes(cutAt(bytes, cuts))
    if (out instanceof PepMaskError) {
      // A key must be held whole.
      if (out.code === 'PEP_MASK_OVERFLOW') return
      throw new Broken('JSON is refused', out.message)
    }
    const value: unknown = JSON.parse(out.toString())
    expectNone(values, [out.toString(), ...stringsOf(value)].join('\n'))
    same('JSON that was split is masked otherwise', String(maskBytes([bytes])), String(out))
    same(
      'JSON in single bytes is masked otherwise',
      String(maskBytes(cutAt(bytes, [...bytes.keys()]))),
      String(out),
    )
  },
})

const jsonEdited = target({
  name: 'json-edited',
  runs: 200,
  input: fc.record({ doc: docs, spread: fc.boolean(), edits, cuts: places }),
  check({ doc, spread, edits, cuts }) {
    const bytes = edited(Buffer.from(write(doc, spread).json), edits)
    const whole = maskBytes([bytes])
    const split = maskBytes(cutAt(bytes, cuts))
    if (whole instanceof PepMaskError || split instanceof PepMaskError) {
      if (!(whole instanceof PepMaskError && split instanceof PepMaskError))
        throw new Broken('JSON is refused at one split and not at another', String(whole))
      return
    }
    same(
      'JSON that was split is masked otherwise',
      split.toString('latin1'),
      whole.toString('latin1'),
    )
    if (bytes.length === 0) return
    const read = whole.toString('utf8').replace(/^\ufeff/, '')
    try {
      JSON.parse(read)
    } catch (error) {
      throw new Broken('what was taken for JSON comes out as none', `${String(error)} ${read}`)
    }
  },
})

const tokens = sessionTokens(new Uint8Array(64).fill(5))
const tokenOf = (value: string): string => `[email:t:${tokens.seal('email', value)}]`

const restore = target({
  name: 'restore',
  runs: 200,
  input: fc.record({
    parts: fc.array(
      fc.oneof(
        noise,
        fc.record({
          token: fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
          take: fc.nat(60),
        }),
      ),
      { maxLength: 6 },
    ),
    cuts: places,
  }),
  check({ parts, cuts }) {
    let text = ''
    let expected = ''
    for (const one of parts) {
      if (typeof one === 'string') {
        text += one
        expected += one
        continue
      }
      const { token, take } = one
      const value = Buffer.from(token).toString()
      // A third of them is not whole, or is not of this session.
      const whole = take % 3 > 0
      const made = tokenOf(value)
      const part = made.slice(0, Math.min(take, made.length - 2))
      text += whole ? made : part
      expected += whole ? value : part
    }
    const run = (split: readonly string[]): string => {
      const restorer = createRestorer(['email'], tokens)
      let out = ''
      for (const part of split) {
        out += restorer.push(part)
        if (restorer.held > MOST_LETTERS + 16)
          throw new Broken('a token is held without bound', String(restorer.held))
      }
      return out + restorer.end()
    }
    same('a token does not come back', run([text]), expected)
    same('a token that was split does not come back', run(cutAt(text, cuts)), expected)
    same('a token in single units does not come back', run(text.split('')), expected)
  },
})

export const maskers = [text, overlaps, json, jsonEdited, restore]
