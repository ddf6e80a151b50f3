import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasBase64 } from './base64.ts'
import { fold, isFoldable, unfinishedFrom } from './fold.ts'
import { compileMask } from './mask.ts'
import { examples, noisyText, places, split, testKeys } from './testing.ts'
import { builtinNames } from './types.ts'

const mask = compileMask([{ detectors: [...builtinNames], style: 'redact' }], { keys: testKeys })

function masked(pieces: readonly string[]): string {
  const masker = mask.text()
  return pieces.map((piece) => masker.push(piece)).join('') + masker.end()
}

const folded = (text: string): string => {
  let out = ''
  fold(text, '', { same: (part) => (out += part), reads: (reading) => (out += reading) })
  return out
}

const fullWidth = (text: string): string =>
  text.replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0))
const digits = (zero: number) => (text: string) =>
  text.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)))
const between = (mark: string) => (text: string) => Array.from(text).join(mark)
const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const base64 = (before: string) => (text: string) =>
  Buffer.from(`${before} ${text} and so on`).toString('base64')

/** Ways to write a value that a reader takes for the value. */
const forms: Readonly<Record<string, (text: string) => string>> = {
  'in full-width characters': fullWidth,
  'with Arabic-Indic digits': digits(0x660),
  'with mathematical digits': digits(0x1d7ce),
  'with zero-width spaces between': between('\u200b'),
  'with soft hyphens between': between('\u00ad'),
  'with tag characters between': between('\u{e0041}'),
  'struck through': between('\u0336'),
  'with bold marks between': between('**'),
  'percent-encoded': percent,
  'percent-encoded twice': (text) => percent(text).replaceAll('%', '%25'),
  'as JSON escapes': (text) =>
    text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'as HTML references': (text) => Array.from(text, (char) => `&#${char.codePointAt(0)};`).join(''),
  'in base64': base64(''),
  'in base64, one byte on': base64('a'),
  'in base64, two bytes on': base64('ab'),
  'in base64url, glued to a path': (text) =>
    `/p/${Buffer.from(`{"v":"${text}"}`).toString('base64url')}`,
  'in base64 with line breaks': (text) =>
    Buffer.from(`${'x'.repeat(70)} ${text} ${'y'.repeat(70)}`)
      .toString('base64')
      .replace(/.{76}/g, '$&\r\n'),
  'in base64 of UTF-16': (text) => Buffer.from(`say ${text} now`, 'utf16le').toString('base64'),
  'in base64 of base64': (text) => base64('')(base64('twice')(text)),
}

for (const [name, form] of Object.entries(forms)) {
  test(`every example is found ${name}, and cut anywhere gives the same`, () => {
    for (const { before, value, after } of examples) {
      const text = `${before.trim() === '' ? '' : 'see '}${form(before + value + after)} .`
      const whole = masked([text])
      const core = form(value).slice(8, -8)
      if (name.includes('base64')) expect(whole).toContain('[REDACTED:')
      else if (core.length > 8) expect(whole).not.toContain(core)
      expect(masked(Array.from(text))).toBe(whole)
      for (const at of [1, Math.floor(text.length / 3), Math.floor(text.length / 2)])
        expect(masked([text.slice(0, at), text.slice(at)])).toBe(whole)
    }
  })
}

const piece = fc.oneof(
  noisyText,
  fc
    .tuple(noisyText, fc.constantFrom(...Object.values(forms)))
    .map(([text, form]) => form(text.slice(0, 120))),
  fc.constantFrom('**', '*', '\\', '%', '%2', '%25', '&#', '&#6', '\u200b', '\ud835', '=', '\r\n'),
  fc.string({ unit: 'binary', maxLength: 8 }),
)
const encoded = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(''))

test('text in any form and any split is masked as the whole is', () => {
  fc.assert(
    fc.property(encoded, places, (text, cuts) => {
      expect(masked(split(text, cuts))).toBe(masked([text]))
    }),
    { numRuns: 1500 },
  )
})

test('text in which nothing is found comes out as it went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), places, (text, cuts) => {
      const out = masked(split(text, cuts))
      fc.pre(!out.includes('[REDACTED:'))
      expect(out).toBe(text)
    }),
    { numRuns: 1000 },
  )
})

test('what a JSON body holds in any form is masked at any split of its bytes, and stays JSON', () => {
  fc.assert(
    fc.property(encoded, places, (text, cuts) => {
      const bytes = Buffer.from(JSON.stringify({ a: [text.toWellFormed()], b: 1 }))
      const run = (pieces: readonly Buffer[]): string => {
        const masker = mask.json()
        return Buffer.concat([...pieces.map((one) => masker.push(one)), masker.end()]).toString()
      }
      const whole = run([bytes])
      expect(Object.keys(JSON.parse(whole) as object)).toEqual(['a', 'b'])
      const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b)
      const pieces = [...ends, bytes.length].map((end, k) => bytes.subarray(ends[k - 1] ?? 0, end))
      expect(run(pieces)).toBe(whole)
    }),
    { numRuns: 500 },
  )
})

test('a sequence that is folded is never cut in two', () => {
  const sequences = [
    '%40',
    '%2540',
    '%252540',
    '\\u0040',
    '\\x40',
    '&#64;',
    '&#x00040;',
    '\\_',
    '**',
  ]
  for (const sequence of sequences) {
    for (let at = 1; at < sequence.length; at++) {
      const text = `a${sequence.slice(0, at)}`
      const rest = text.slice(unfinishedFrom(text, ''))
      expect(
        folded(text.slice(0, text.length - rest.length)) + folded(rest + sequence.slice(at)),
      ).toBe(folded(`a${sequence}`))
    }
  }
})

test('whatever is folded was known to be foldable', () => {
  fc.assert(
    fc.property(encoded, (text) => {
      if (folded(text) !== text) expect(isFoldable(text)).toBe(true)
    }),
  )
})

test('a value is found behind rows of invisible text, which stay where nothing is found', () => {
  const row = '\u200b'.repeat(100)
  expect(masked([`a${row}b`])).toBe(`a${row}b`)
  const hidden = Array.from('4111111111111111').join(row)
  expect(masked([`card ${hidden}.`])).toBe('card [REDACTED:credit_card].')
  expect(masked(Array.from(`card ${hidden}.`))).toBe('card [REDACTED:credit_card].')
})

test('endless invisible text inside a value is not held, and nothing of it passes', () => {
  const masker = mask.text()
  masker.push('card 4111')
  expect(() => {
    for (let k = 0; k < 100; k++) masker.push('\u200b'.repeat(10_000))
  }).toThrow('for too long')
})

test.each([
  ['postgres://ada:pa55%23w0rdS3cret@db.internal/x', 'pa55%23w0rd'],
  ['postgres://ada:s3cret%3Fw0rd%20x@db/x', 's3cret'],
  ['amqp://ada:hunter2%22x@mq/', 'hunter2'],
  ['postgres://ada:pa55%2Fw0rdS3cret@db.example.com/x', 'pa55'],
  ['Use card %4111 1111 1111 1111.', '1111 1111'],
  ['in C:\\u4111 1111 1111 1111 now', '1111 1111'],
  ['%123-45-6789', '45-6789'],
  ['Items: 1**4111 1111 1111 1111**', '1111 1111'],
  ['SSN **123-45-6789**0', '45-6789'],
  [`Key %2${['AKIA', 'IOSFODNN7', 'EXAMPLE'].join('')}`, 'IOSFODNN7'],
])('what stands in %j is found, whatever it reads as', (text, secret) => {
  for (const pieces of [[text], Array.from(text)]) {
    const out = masked(pieces)
    expect(out).toContain('[REDACTED:')
    expect(out).not.toContain(secret)
  }
})

test('both ways of finding one value give one replacement', () => {
  expect(masked(['**4111** 4111 1111 1111 1111 %40 ada@example.com'])).toBe(
    '**4111** [REDACTED:credit_card] %40 [REDACTED:email]',
  )
})

test('rows of stars are what they are', () => {
  for (const text of [
    `/${'*'.repeat(78)}/`,
    '*** bold ***',
    `a${'*'.repeat(1001)}b`,
    '**',
    '****',
  ]) {
    expect(masked([text])).toBe(text)
    expect(masked(Array.from(text))).toBe(text)
  }
})

test('a password is found wherever the text is cut in its escapes', () => {
  const text = 'DB: postgres://ada:pa55\\*w0rdS3cret@db.example.com/x'
  const whole = masked([text])
  expect(whole).not.toContain('w0rdS3cret')
  for (let at = 1; at < text.length; at++)
    expect(masked([text.slice(0, at), text.slice(at)])).toBe(whole)
})

test('a value in base64 behind another, at any distance, is found, and what stands around them stays', () => {
  const first = Buffer.from('mail a@b.co ok').toString('base64').replaceAll('=', '')
  const second = Buffer.from('mail ada.lovelace@example.com now ok').toString('base64')
  for (const before of ['', 'Q', 'QQ', 'QQQ']) {
    for (const between of ['', 'Q', 'QQ', 'QQQ']) {
      const text = `see ${before}${first}${between}${second} end`
      const out = masked([text])
      expect(out).not.toContain('YWRhLmxvdmVsYWNl')
      expect(out.match(/REDACTED:email/g)).toHaveLength(2)
      expect(masked(Array.from(text))).toBe(out)
    }
  }
  const near = '4111&#<w/NDExMSAxMTExIDExMTEgMTExMQ=='
  expect(masked([near])).toBe('4111&#<w/[REDACTED:credit_card]==')
  expect(masked(Array.from(near))).toBe(masked([near]))
})

test('base64 of forms is seen through as well', () => {
  for (const text of [
    'card ４１１１ １１１１ １１１１ １１１１ ok',
    'card 4111\u200b 1111\u200b 1111 1111 ok',
  ])
    expect(masked([`x ${Buffer.from(text).toString('base64')} y`])).toContain(
      'REDACTED:credit_card',
    )
})

test.each([
  ['full-width signs', '！'],
  ['invisible characters', 'a\u200b'],
  ['percent escapes', '%41'],
  ['equals signs', 'ab='],
  ['marks of Markdown', '**a'],
])('a megabyte of %s takes time in proportion', (_, unit) => {
  const text = unit.repeat(300_000)
  const started = performance.now()
  masked([text])
  const masker = mask.json()
  masker.push(Buffer.from(JSON.stringify({ a: text })))
  masker.end()
  // Far above what it takes, far below what a quadratic walk takes.
  expect(performance.now() - started).toBeLessThan(20_000)
})

test('words, paths and names are not taken for base64 that holds something', () => {
  for (const text of [
    'internationalization /usr/local/lib/node_modules/typescript/lib/tsc',
    'createDecisionCacheForPolicyRevision0123456789abcdef',
    Buffer.from('nothing to see in this sentence').toString('base64'),
  ]) {
    expect(hasBase64(text)).toBe(true)
    expect(masked([text])).toBe(text)
  }
  expect(hasBase64('short words only, and //// or --------------------')).toBe(false)
})
