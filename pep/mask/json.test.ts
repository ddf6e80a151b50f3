import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { PepMaskError } from './errors.ts'
import { compileMask, type MaskOptions } from './mask.ts'
import { noisyText, testKeys } from './testing.ts'
import { builtinNames, type MaskRule } from './types.ts'

const all: MaskRule = { detectors: [...builtinNames], style: 'redact' }

function run(
  rules: readonly MaskRule[],
  pieces: readonly Uint8Array[],
  options: Partial<MaskOptions> = {},
) {
  const masker = compileMask(rules, { keys: testKeys, ...options }).json()
  const out = pieces.map((piece) => masker.push(piece))
  return { out: Buffer.concat([...out, masker.end()]), counts: masker.counts }
}

const mask = (rules: readonly MaskRule[], json: string): string =>
  run(rules, [Buffer.from(json)]).out.toString()

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...cuts, bytes.length].map((to, k) => bytes.subarray(k === 0 ? 0 : cuts[k - 1], to))
}

/** Writes JSON in one of the many ways it may be written: blanks, escapes where none are needed. */
function write(value: unknown, seed: number): string {
  let state = seed
  const dice = (sides: number): number =>
    (state = (state * 1103515245 + 12345) & 0x7fffffff) % sides
  const blank = (): string => [' ', '\n', '', '', '\t'][dice(5)] ?? ''
  const unit = (c: string): string => {
    if (dice(6) === 0) return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
    return c === '/' && dice(2) === 0 ? '\\/' : JSON.stringify(c).slice(1, -1)
  }
  const string = (text: string): string => {
    // A pair is written whole or as two escapes: half of one as UTF-8 is not UTF-8.
    const units = Array.from(text, (c) => (c.length === 2 ? c : unit(c)))
    return `"${units.join('')}"`
  }
  const any = (v: unknown): string => {
    if (typeof v === 'string') return blank() + string(v) + blank()
    if (Array.isArray(v)) return `[${v.map(any).join(',')}${blank()}]`
    if (typeof v === 'object' && v !== null) {
      return `{${Object.entries(v)
        .map(([k, e]) => `${blank()}${string(k)}${blank()}:${any(e)}`)
        .join(',')}}`
    }
    return blank() + JSON.stringify(v)
  }
  return any(value)
}

const document = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    noisyText,
    fc.constantFrom<unknown>(null, true, 0, -1.5e-7, 4111111111111111, 42),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom('a', 'b', 'password', 'x y', 'é', 'secret', 'a@example.com', '__proto_'),
      tie('value'),
      {
        maxKeys: 4,
        noNullPrototype: true,
      },
    ),
  ),
})).value

test('JSON split at any bytes is masked as if it had not been split, and stays JSON', () => {
  const rules: MaskRule[] = [all, { fields: ['$..password', '$.a[*].b', '$[0]'], style: 'hash' }]
  fc.assert(
    fc.property(
      document,
      fc.nat(),
      fc.array(fc.nat(3000), { maxLength: 8 }),
      (value, seed, places) => {
        const bytes = Buffer.from(write(value, seed))
        const whole = run(rules, [bytes])
        expect(() => JSON.parse(whole.out.toString())).not.toThrow()
        const pieces = run(rules, cut(bytes, places))
        expect(pieces.out.toString()).toBe(whole.out.toString())
        expect(pieces.counts).toEqual(whole.counts)
        expect(
          run(
            rules,
            Array.from(bytes, (byte) => Uint8Array.of(byte)),
          ).out.equals(whole.out),
        ).toBe(true)
      },
    ),
    { numRuns: 300 },
  )
})

test('string values are masked as the text masker masks them, whatever their escapes', () => {
  const rule: MaskRule = {
    detectors: builtinNames.filter((name) => name !== 'aws_key'),
    style: 'token',
  }
  fc.assert(
    fc.property(noisyText, fc.nat(), (text, seed) => {
      const masker = compileMask([rule], { keys: testKeys }).text()
      const expected = masker.push(text) + masker.end()
      expect(JSON.parse(mask([rule], write([text], seed)))).toEqual([expected])
    }),
    { numRuns: 500 },
  )
})

test('where nothing is found the bytes are identical, at any split', () => {
  const rules: MaskRule[] = [{ detectors: ['private_key'], fields: ['$.nowhere'], style: 'redact' }]
  fc.assert(
    fc.property(
      document,
      fc.nat(),
      fc.array(fc.nat(3000), { maxLength: 8 }),
      (value, seed, places) => {
        const bytes = Buffer.from(write(value, seed))
        fc.pre(!JSON.stringify(value).includes('BEGIN'))
        expect(run(rules, cut(bytes, places)).out.equals(bytes)).toBe(true)
      },
    ),
    { numRuns: 300 },
  )
})

test('only what is found changes: escapes, blanks and numbers around it stay as they were written', () => {
  expect(mask([all], '{ "a" : "x \\u0041 \\/ ada\\u0040example.com \\n" , "b":1.50E+2}')).toBe(
    '{ "a" : "x \\u0041 \\/ [REDACTED:email] \\n" , "b":1.50E+2}',
  )
})

test('keys and numbers are scanned, and keys that look alike once masked stay apart', () => {
  expect(
    mask([all], '{"a@example.com":4111111111111111,"b@example.com":[-4111111111111111, 7]}'),
  ).toBe(
    '{"[REDACTED:email]":"[REDACTED:credit_card]","[REDACTED:email]#2":["-[REDACTED:credit_card]", 7]}',
  )
})

test('the key of a value is context for it', () => {
  const secret = ['wJalrXUtnFEMI', 'K7MDENG', 'bPxRfiCYEXAMPLEKEY'].join('/')
  expect(mask([all], `{"SecretAccessKey":"${secret}","digest":"${secret}"}`)).toBe(
    `{"SecretAccessKey":"[REDACTED:aws_key]","digest":"${secret}"}`,
  )
})

test('values at field paths are replaced whole, whatever they are', () => {
  const rules: MaskRule[] = [
    { fields: ['$.a.b', '$.list[*].c', '$..email', "$['x y']", '$.list[1]'], style: 'redact' },
  ]
  const json =
    '{"a":{"b":{"deep":[1,"}"]},"c":1},"list":[{"c":"s","d":2},{"c":3}],"x y":null,"q":[[{"email":"e\\"f","g":true}]]}'
  expect(mask(rules, json)).toBe(
    '{"a":{"b":"[REDACTED:field]","c":1},"list":[{"c":"[REDACTED:field]","d":2},"[REDACTED:field]"],' +
      '"x y":"[REDACTED:field]","q":[[{"email":"[REDACTED:field]","g":true}]]}',
  )
})

test('a field that is only observed is counted and passes', () => {
  const json = '{"a":{"b":1}}'
  const { out, counts } = run(
    [{ fields: ['$.a'], style: 'redact', observe: true }],
    [Buffer.from(json)],
  )
  expect(out.toString()).toBe(json)
  expect(counts).toEqual({ field: 1 })
})

test.each(['$', 'a', '$.', '$a', '$.a[', '$.a[-1]', '$.a[?(@.b)]', '$.a.[0]', '$.a b'])(
  'the field path %s is refused',
  (path) => {
    expect(() => compileMask([{ fields: [path], style: 'redact' }], { keys: testKeys })).toThrow(
      /not a field path/,
    )
  },
)

test.each([
  ['{"a":1,"a":2}', 'PEP_MASK_DUPLICATE_KEY'],
  ['{"a":1,"\\u0061":2}', 'PEP_MASK_DUPLICATE_KEY'],
  ['{"a":1', 'PEP_MASK_BAD_JSON'],
  ['{"a" 1}', 'PEP_MASK_BAD_JSON'],
  ['{"a":1,}', 'PEP_MASK_BAD_JSON'],
  ['[1,]', 'PEP_MASK_BAD_JSON'],
  ['[1}', 'PEP_MASK_BAD_JSON'],
  ['[01]', 'PEP_MASK_BAD_JSON'],
  ['[1] [2]', 'PEP_MASK_BAD_JSON'],
  ['["\\x"]', 'PEP_MASK_BAD_JSON'],
  ['["\\u00g0"]', 'PEP_MASK_BAD_JSON'],
  ['["a\nb"]', 'PEP_MASK_BAD_JSON'],
  ['["abc', 'PEP_MASK_BAD_JSON'],
  ['{1:2}', 'PEP_MASK_BAD_JSON'],
  ['nul', 'PEP_MASK_BAD_JSON'],
  ['NaN', 'PEP_MASK_BAD_JSON'],
  ['// x', 'PEP_MASK_BAD_JSON'],
  [`${'['.repeat(513)}1${']'.repeat(513)}`, 'PEP_MASK_DEPTH'],
  [`[${'1'.repeat(2000)}]`, 'PEP_MASK_OVERFLOW'],
  [`{"${'k'.repeat(9000)}":1}`, 'PEP_MASK_OVERFLOW'],
])('%.40s is an error at any split, and the masker stays failed', (json, code) => {
  const bytes = Buffer.from(json)
  for (const size of [1, 7, bytes.length]) {
    const masker = compileMask([all], { keys: testKeys }).json()
    let error: unknown
    try {
      for (let at = 0; at < bytes.length; at += size) masker.push(bytes.subarray(at, at + size))
      masker.end()
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(PepMaskError)
    expect((error as PepMaskError).code).toBe(code)
    expect(() => masker.push(Buffer.from(' '))).toThrow(PepMaskError)
  }
})

test('strings that are not UTF-8 are an error', () => {
  for (const bad of [
    [0xff],
    [0xc3, 0x22],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xf4, 0x90, 0x80, 0x80],
  ]) {
    const bytes = Buffer.concat([Buffer.from('["'), Buffer.from(bad), Buffer.from('"]')])
    expect(() => run([all], [bytes])).toThrow(PepMaskError)
  }
})

test('512 levels, an empty body, a byte-order mark and a bare value pass', () => {
  const deep = `${'['.repeat(512)}${']'.repeat(512)}`
  expect(mask([all], deep)).toBe(deep)
  expect(mask([all], '')).toBe('')
  expect(mask([all], '\uFEFF{}')).toBe('\uFEFF{}')
  expect(mask([all], ' 12 ')).toBe(' 12 ')
})

test('a string of any length streams, with little held back', () => {
  const masker = compileMask([all], { keys: testKeys }).json()
  let sent = masker.push(Buffer.from('["')).length
  for (let k = 1; k <= 200; k++) {
    sent += masker.push(Buffer.from('some words that go on and on. '.repeat(100))).length
    expect(2 + k * 3000 - sent).toBeLessThan(100)
  }
})

test('literals are redacted in keys, strings and encodings before anything else is looked at', () => {
  const literal = 'up/stream"sécret+1'
  const json = JSON.stringify({
    [literal]: 1,
    b: `x${literal}y`,
    c: Buffer.from(`id:${literal}`).toString('base64'),
  })
  const { out } = run([], [Buffer.from(json)], { literals: [literal] })
  const text = out.toString()
  expect(text.match(/\[REDACTED:credential\]/g)).toHaveLength(3)
  expect(() => JSON.parse(text)).not.toThrow()
})

test('a literal behind escapes that nobody needs is redacted as well', () => {
  const hidden = '["\\u0075p\\/stream-\\u0073\\u00e9cret!"]'
  for (const size of [1, 5, 100]) {
    const bytes = Buffer.from(hidden)
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, k) =>
      bytes.subarray(k * size, (k + 1) * size),
    )
    const { out, counts } = run([], pieces, { literals: ['up/stream-sécret'] })
    expect(out.toString()).toBe('["[REDACTED:credential]!"]')
    expect(counts).toEqual({ credential: 1 })
  }
})

test('a text that ends inside of a key is refused as one that ends anywhere else', () => {
  for (const json of ['{"', '{"a', '{"a":1,"b', '[1, {"a\\'])
    expect(() => mask([all], json)).toThrow(PepMaskError)
})
