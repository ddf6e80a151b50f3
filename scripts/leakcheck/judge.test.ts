import { describe, expect, test } from 'vitest'
import type { Case } from './case.ts'
import { allCases } from './cases.ts'
import type { Answer } from './client.ts'
import { judge } from './judge.ts'
import { leaksIn, secrets } from './secrets.ts'

const cases = new Map(allCases().map((one) => [one.id, one]))
const named = (id: string): Case => cases.get(id)!
const secretOf = (one: Case): string => one.secret!.text

const answer = (body: string | Buffer, more: Partial<Answer> = {}): Answer => ({
  status: 200,
  contentType: 'text/event-stream',
  body: Buffer.from(body),
  arrivals: [{ bytes: Buffer.byteLength(body), at_ms: 30 }],
  ...more,
})
const untouched = (one: Case): Answer => answer(one.script.bytes)
/** The reply as it was sent, but for the text. */
const replaced = (one: Case, find: string, by: string): Answer =>
  answer(one.script.bytes.toString().replaceAll(find, by))

describe('a leak', () => {
  test('is found in every case whose reply comes through as it was sent', () => {
    const passed = [...cases.values()].filter((one) => one.secret)
    const missed = passed.filter((one) => judge(one, untouched(one)).leaked === undefined)
    expect(passed.length).toBeGreaterThan(2000)
    expect(missed.map(({ id }) => id)).toEqual([])
  })

  test('is most of a secret in a row, but not the few digits that a partial mask leaves', () => {
    const card = secrets.find(({ kind }) => kind === 'card')!
    expect(leaksIn(`x${card.text.slice(0, 12)}x`, card)).toBe(true)
    expect(leaksIn(`x${card.text.slice(0, 11)}x`, card)).toBe(false)
    expect(leaksIn(`**** **** **** ${card.text.slice(-4)}`, card)).toBe(false)
  })

  test('is found over events, in escapes, in a tool input and in what cannot be read', () => {
    const seen = (id: string): string | undefined => judge(named(id), untouched(named(id))).leaked
    expect(seen('card.text.whole')).toBe('the bytes')
    expect(seen('card.text.at-9')).toBe('the message')
    expect(seen('card.text.escaped')).toBe('the message')
    expect(seen('card.tool_input.input-escaped-chars')).toBe('the message')
    const garbled = answer(`{"a": "${secretOf(named('iban.text.whole'))}`, { status: 500 })
    expect(judge(named('iban.text.whole'), garbled)).toMatchObject({ leaked: 'the bytes' })
  })

  test('is not what was masked, and the reply is neither broken nor cut', () => {
    const one = named('ssn.tool_input.whole')
    expect(judge(one, replaced(one, secretOf(one), '[gone]'))).toEqual({
      refused: false,
      cut: false,
    })
  })
})

describe('a reply', () => {
  const one = named('card.text.whole')
  const masked = replaced(one, secretOf(one), '[gone]').body.toString()

  test('that is refused with an HTTP error and JSON is not broken', () => {
    const refusal = answer('{"type":"error"}', { status: 451, contentType: 'application/json' })
    expect(judge(one, refusal)).toEqual({ refused: true, cut: false })
  })

  test('that ends in its form, but before what stood behind the secret, is cut', () => {
    const early = masked.replaceAll('afterwards', '')
    expect(judge(one, answer(early))).toEqual({ refused: false, cut: true })
  })

  test.each([
    ['ends early', masked.slice(0, masked.indexOf('event: message_stop')), 'no message_stop'],
    ['holds a broken frame', masked.replace('"index":0', '"index":'), 'an event that is not JSON'],
    [
      'names an event otherwise',
      masked.replace('event: message_delta', 'event: ping'),
      'an event ping of type message_delta',
    ],
    [
      'has a delta outside of a block',
      masked.replace('"index":0,"delta"', '"index":3,"delta"'),
      'a delta outside of its block',
    ],
    [
      'leaves a block open',
      masked.replace(/event: content_block_stop\ndata: .*\n\n/, ''),
      'the message ends inside a block',
    ],
    ['says [DONE]', `${masked}data: [DONE]\n\n`, 'an event that is not JSON'],
    ['is no event stream', 'upstream error', 'the stream ends inside an event'],
  ])('that %s is broken', (_, body, problem) => {
    expect(judge(one, answer(body))).toMatchObject({ broken: problem })
  })

  test('whose connection broke is broken', () => {
    expect(judge(one, answer(masked, { failure: 'the connection broke' }))).toMatchObject({
      broken: 'the connection broke',
    })
  })

  test('has its first byte timed from when the upstream wrote it', () => {
    expect(judge(one, answer(masked), 10).first_ms).toBe(20)
  })
})

describe('a control', () => {
  test('that comes back byte by byte is not altered', () => {
    for (const one of cases.values()) {
      if (one.secret) continue
      expect([one.id, judge(one, untouched(one))]).toEqual([
        one.id,
        { identical: true, refused: false, cut: false },
      ])
    }
  })

  test('may be framed otherwise, as long as a client sees the same', () => {
    const one = named('control.tool_use.crlf')
    expect(judge(one, replaced(one, '\r\n', '\n'))).toMatchObject({ identical: false })
    expect(judge(one, replaced(one, '\r\n', '\n')).altered).toBeUndefined()
  })

  test.each([
    [
      'a signature',
      'control.thinking.events',
      '"signature_delta","signature":"',
      'block 0: signature',
    ],
    ['thinking', 'control.thinking.events', 'Let me ', 'block 0: thinking'],
    ['a number of a tool input', 'control.tool_use.events', '345678', 'block 1: partial_json'],
    ['the name of a tool', 'control.mcp_names.events', 'mcp__issue', 'block 0: name'],
    ['a citation', 'control.web_search.events', 'sunny in', 'block 2: deltas'],
    ['text', 'control.text.events', 'Hello', 'block 0: text'],
  ])('with %s changed is altered', (_, id, find, altered) => {
    expect(judge(named(id), replaced(named(id), find, `${find}1`))).toMatchObject({ altered })
  })
})
