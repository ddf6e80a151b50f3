import { joined } from './detectors/example.ts'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { detectors } from './detectors/catalogue.ts'
import { type Matcher, MORE, NO } from './detectors/matcher.ts'
import { compileMask } from './mask.ts'
import { PepMaskError } from './errors.ts'
import { Scanner } from './scan.ts'
import { createTables, matchersFor } from './tables.ts'
import { examples, noisyText, places, split, testKeys } from './testing.ts'
import { TextSink } from './text.ts'
import { builtinNames, styleOrder, type MaskStyle } from './types.ts'

const LITERAL = 'hunter2+sécret/upstream'
const masks = Object.fromEntries(
  styleOrder.map((style) => [
    style,
    compileMask([{ detectors: [...builtinNames], style }], { keys: testKeys, literals: [LITERAL] }),
  ]),
) as Record<MaskStyle, ReturnType<typeof compileMask>>

function run(style: MaskStyle, pieces: Iterable<string>): string {
  const masker = masks[style].text()
  let out = ''
  for (const piece of pieces) out += masker.push(piece)
  return out + masker.end()
}

test('a text split anywhere is masked as if it had not been split', () => {
  fc.assert(
    fc.property(noisyText, places, fc.constantFrom(...styleOrder), (text, cuts, style) => {
      expect(run(style, split(text, cuts))).toBe(run(style, [text]))
    }),
    { numRuns: 2000 },
  )
})

test('a text that comes one code unit at a time, halves of surrogate pairs included, is masked the same', () => {
  fc.assert(
    fc.property(noisyText, (text) => {
      expect(run('redact', text.split(''))).toBe(run('redact', [text]))
    }),
    { numRuns: 500 },
  )
})

test('every example of every detector, split at every place, leaves nothing of the value', () => {
  for (const { before, value, after } of examples) {
    const text = `so${before}${value}${after}yes`
    const whole = run('redact', [text])
    expect(whole).not.toContain(value)
    for (let cut = 0; cut <= text.length; cut++) {
      expect(run('redact', [text.slice(0, cut), text.slice(cut)])).toBe(whole)
    }
  }
})

test('adjacent and touching values are all masked', () => {
  expect(run('redact', ['a@example.com,4111111111111111;10.0.0.1'])).toBe(
    '[REDACTED:email],[REDACTED:credit_card];[REDACTED:ipv4]',
  )
})

/** The definition of what a scanner finds, without look-back, triggers or streaming. */
function reference(text: string, matchers: readonly Matcher[]): string {
  let out = ''
  let at = 0
  for (let i = 0; i < text.length;) {
    let best = at
    let winner: Matcher | undefined
    for (const matcher of matchers) {
      const unit = text.charCodeAt(i)
      if (unit > 127 ? !matcher.startsWide : !matcher.starts(unit)) continue
      const match = matcher.match(text, i, true, i < at ? 0 : at)
      const end =
        match === NO || matcher.tail === undefined ? match : matcher.tail(text, match, true)
      if (end <= best && !(end > at && matcher.tail !== undefined)) continue
      best = end
      winner = matcher
      if (matcher.tail !== undefined) break
    }
    if (winner !== undefined) {
      out += `${text.slice(at, Math.max(at, i))}<${winner.name}>`
      at = best
    }
    i = winner?.tail === undefined ? i + 1 : Math.max(i + 1, at - 64)
  }
  return out + text.slice(at)
}

test('triggers and look-back skip no position at which a match begins', () => {
  const matchers = matchersFor([...builtinNames], new Map())
  const tables = createTables(matchers)
  fc.assert(
    fc.property(noisyText, (text) => {
      const sink = new TextSink({}, (matcher) => `<${matcher.name}>`)
      const scanner = new Scanner(tables, sink, () => 'none', 0)
      scanner.push(text)
      scanner.end()
      expect(sink.out).toBe(reference(text, matchers))
    }),
    { numRuns: 3000 },
  )
})

test('text that cannot be part of a finding goes out at once, the rest with the first character that rules it out', () => {
  const masker = masks.redact.text()
  expect(masker.push('Hello')).toBe('')
  expect(masker.held).toBe(5)
  expect(masker.push(' ')).toBe('Hello ')
  expect(masker.held).toBe(0)
  expect(masker.push('ada@example')).toBe('')
  expect(masker.push('!')).toBe('ada@example!')
  expect(masker.push('(4111 1111 1111 111')).toBe('(')
  expect(masker.push('2,')).toBe('4111 1111 1111 1112,')
  expect(masker.push('see https://example.com')).toBe('see https://')
  // `com/` may be the beginning of base64.
  expect(masker.push('/')).toBe('example.')
  expect(masker.push('漢字')).toBe('com/漢字')
  expect(masker.push('bye')).toBe('')
  expect(masker.end()).toBe('bye')
})

test('a token of any length is dropped as it streams, without being held', () => {
  const masker = masks.redact.text()
  const jwt = detectors.jwt.examples[0] as string
  let out = masker.push(`token ${jwt}`)
  let most = 0
  for (let k = 0; k < 1000; k++) {
    out += masker.push('AbCd'.repeat(100))
    most = Math.max(most, masker.held)
  }
  out += masker.push(' and on') + masker.end()
  expect(out).toBe('token [REDACTED:jwt] and on')
  expect(most).toBeLessThan(100)
})

test('a private key without its END line takes the rest of the text with it', () => {
  const masker = masks.redact.text()
  const begin = joined('-----BEGIN PRIVATE ', 'KEY', '-----\n')
  const out = masker.push(`x ${begin}${'MIIEvQIBADANBgkqhkiG9w0BAQEF'.repeat(4)}`)
  let rest = ''
  for (let k = 0; k < 1000; k++)
    rest += masker.push('\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7')
  expect(out + rest + masker.end()).toBe('x [REDACTED:private_key]')
})

test('a hashed token longer than the budget is redacted, at any split', () => {
  const mask = compileMask([{ detectors: ['github_token'], style: 'hash' }], {
    keys: testKeys,
    budgetUnits: 100,
  })
  const token = joined('ghp', '_', 'A1b2'.repeat(50))
  for (const pieces of [[token], token.split(''), [token.slice(0, 30), token.slice(30)]]) {
    const masker = mask.text()
    expect(pieces.map((piece) => masker.push(piece)).join('') + masker.end()).toBe(
      '[REDACTED:github_token]',
    )
  }
})

test('a detector that throws is an error, then and ever after, and nothing raw comes out', () => {
  const broken: Matcher = {
    name: 'custom:broken',
    starts: () => true,
    triggers: [{ chars: 'b' }],
    maxLength: 10,
    match: () => {
      throw new Error('broken')
    },
  }
  const sink = new TextSink({}, () => '')
  const scanner = new Scanner(createTables([broken]), sink, () => 'none', 0)
  expect(() => scanner.push('aaa b secret')).toThrow(PepMaskError)
  expect(() => scanner.push('more')).toThrow(PepMaskError)
  expect(() => scanner.end()).toThrow(PepMaskError)
  expect(sink.out).not.toContain('secret')
})

test('the strictest style of several rules is taken, and altering wins over observing', () => {
  const mask = compileMask(
    [
      { detectors: ['email'], style: 'partial' },
      { detectors: ['email'], style: 'hash' },
      { detectors: ['email'], style: 'redact', observe: true },
    ],
    { keys: testKeys },
  )
  const masker = mask.text()
  expect(masker.push('a@example.com ')).toMatch(/^\[email:h:[0-9a-f]{12}\] $/)
  expect(masker.counts).toEqual({ email: 1 })
})

test('an observing rule counts and alters nothing', () => {
  const masker = compileMask([{ detectors: ['email'], style: 'redact', observe: true }], {
    keys: testKeys,
  }).text()
  expect(masker.push('mail a@exam') + masker.push('ple.com now') + masker.end()).toBe(
    'mail a@example.com now',
  )
  expect(masker.counts).toEqual({ email: 1 })
})

test('equal values get equal tokens under one key, and others under another', () => {
  const tokenOf = (fill: number) => {
    const masker = compileMask([{ detectors: ['email'], style: 'token' }], {
      keys: { ...testKeys, token: new Uint8Array(32).fill(fill) },
    }).text()
    return masker.push('a@example.com a@example.com b@example.com ') + masker.end()
  }
  const [first, second, third] = tokenOf(1).trim().split(' ')
  expect(first).toMatch(/^\[email:t:[a-p]{24}\]$/)
  expect(second).toBe(first)
  expect(third).not.toBe(first)
  expect(tokenOf(2)).not.toBe(tokenOf(1))
})

test('a detector that is not known refuses the whole mask', () => {
  const bad = [{ detectors: ['custom:nope' as const], style: 'redact' as const }]
  expect(() => compileMask(bad, { keys: testKeys })).toThrow(/custom:nope/)
})

test('MORE is never the answer to a whole text', () => {
  for (const { before, value, after } of examples) {
    const text = before + value + after
    for (const matcher of matchersFor([...builtinNames], new Map())) {
      for (let i = 0; i < text.length; i++) expect(matcher.match(text, i, true, 0)).not.toBe(MORE)
    }
  }
})
