import * as fc from 'fast-check'
import { describe as group, expect, test } from 'vitest'
import type { Facts } from '../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../pdp/contract/profile.ts'
import { betasOf, parseMessages, requestFacts } from '../../pep/adapters/anthropic/describe.ts'
import { createExtraction } from '../../pep/adapters/anthropic/extraction.ts'
import { callFacts } from '../../pep/adapters/anthropic/tool-use.ts'
import { describe } from '../../pep/adapters/http/describe.ts'
import { createHttpExtraction } from '../../pep/facts/http.ts'
import { createFactsUnder } from './facts.ts'
import type { Recorded } from './format.ts'

const [http, anthropic] = [createHttpExtraction(), createExtraction()]

/** A request as an enforcement point takes it in. */
type Sent = {
  readonly action: string
  readonly resource: string
  readonly connection: string
  readonly method: string
  readonly target: string
  readonly headers: readonly [string, string][]
  readonly body: Buffer
  /** Whether it says how long its body is. */
  readonly declared: boolean
}

/** Facts as the enforcement point makes them under a profile; `undefined` where it refuses the request. */
function factsOf(sent: Sent, profile: ExtractionProfile): Facts | undefined {
  try {
    return JSON.parse(JSON.stringify(made(sent, profile))) as Facts
  } catch {
    return undefined
  }
}

function made(sent: Sent, profile: ExtractionProfile): Facts | undefined {
  const { action, connection, body, headers } = sent
  if (action === 'anthropic.messages.create') {
    const parsed = parseMessages(body)
    if (!parsed.ok) return undefined
    return requestFacts(parsed.value.request, betasOf(headers), anthropic, profile)
  }
  if (action === 'anthropic.tool_use') {
    const call = { name: sent.resource, input: JSON.parse(body.toString()) as unknown }
    return callFacts(anthropic, call, body.length, profile)
  }
  const length = sent.declared || body.length === 0 ? body.length : -1
  const read = body.length === 0 || profile.inspect_bodies.includes(connection)
  const described = describe(
    connection,
    sent,
    headers,
    read ? body : undefined,
    read ? body.length : length,
    http,
  )
  return described.ok ? described.value.facts(profile) : undefined
}

function recordedOf(sent: Sent, facts: Facts, body: boolean): Recorded {
  const { action, resource, connection, method, target, headers } = sent
  return {
    decision_id: 'd',
    time_ms: 1,
    revision: 'r',
    input: {
      action: { name: action },
      resource: { id: resource, properties: { connection } },
      context: { facts },
    } as unknown as Recorded['input'],
    verdict: { effect: 'deny', reasons: [], obligations: [] },
    exchange: { method, target, headers },
    ...(body && { body: { base64: sent.body.toString('base64'), whole: true } }),
  }
}

const SSN = ['123', '45', '6789'].join('-')
const words = fc.array(
  fc.constantFrom('bluebird', 'hello', 'a@example.com', SSN, 'EMP-123456', '4111111111111111', 'X'),
  { maxLength: 4 },
)
const text = words.map((some) => some.join(' '))
const document = fc.record({
  amount: fc.oneof(fc.integer(), text),
  items: fc.array(fc.record({ name: text }), { maxLength: 3 }),
})
const body = fc.oneof(
  { weight: 3, arbitrary: document.map((value) => JSON.stringify(value)) },
  text,
  document.map(({ amount }) => `amount=${amount}&amount=1`),
)

const plain: fc.Arbitrary<Sent> = fc.record({
  action: fc.constant('http.request'),
  resource: fc.constant('/a'),
  connection: fc.constantFrom('customers', 'other'),
  method: fc.constantFrom('GET', 'POST'),
  target: fc.constantFrom('/a', '/a?q=bluebird', `/a/${SSN}?x=EMP-123456`),
  headers: fc.constantFrom<[string, string][]>(
    [['content-type', 'application/json']],
    [['content-type', 'text/plain']],
    [['content-type', 'application/x-www-form-urlencoded']],
    [],
  ),
  body: fc.oneof(body, fc.constant('')).map((value) => Buffer.from(value)),
  declared: fc.boolean(),
})
const message: fc.Arbitrary<Sent> = fc
  .record({ content: text, extra: document })
  .map(({ content, extra }) => ({
    action: 'anthropic.messages.create',
    resource: 'm',
    connection: 'claude',
    method: 'POST',
    target: '/v1/messages',
    headers: [['anthropic-beta', 'a, b']],
    body: Buffer.from(
      JSON.stringify({ model: 'm', messages: [{ role: 'user', content }], metadata: extra }),
    ),
    declared: true,
  }))
const call: fc.Arbitrary<Sent> = fc.record({ command: text, amount: text }).map((input) => ({
  action: 'anthropic.tool_use',
  resource: 'Bash',
  connection: 'claude',
  method: '',
  target: '',
  headers: [],
  body: Buffer.from(JSON.stringify(input)),
  declared: true,
}))
const sent = fc.oneof(plain, message, call)

const profile: fc.Arbitrary<ExtractionProfile> = fc.record({
  detectors: fc.uniqueArray(
    fc.constantFrom('email', 'us_ssn', 'credit_card', 'phone', 'custom:employee'),
  ),
  custom_detectors: fc
    .constantFrom('EMP-[0-9]{6}', 'EMP-[0-9]{3}', '[0-9]{3}-[0-9]{2}')
    .map((pattern) => [{ name: 'employee', pattern, max_length: 10 }]),
  phrases: fc.uniqueArray(
    fc.constantFrom(
      { name: 'secret', phrases: ['bluebird'] },
      { name: 'polite', phrases: ['hello'] },
      { name: 'polite', phrases: ['hello', 'x'] },
    ),
    { selector: ({ name }) => name },
  ),
  json_paths: fc.uniqueArray(fc.constantFrom('$.amount', '$.items[*].name', '$..name')),
  inspect_bodies: fc.uniqueArray(fc.constantFrom('customers', 'other')),
})

test('facts under another profile are those that the enforcement point would have made, or none', () => {
  const told = { derived: 0, remade: 0, not: 0 }
  fc.assert(
    fc.property(sent, profile, profile, fc.boolean(), (request, from, to, kept) => {
      const facts = factsOf(request, from)
      if (!facts) return
      const found = createFactsUnder()(recordedOf(request, facts, kept), from, to)
      const wanted = factsOf(request, to)
      if (found.ok) {
        expect(JSON.parse(JSON.stringify(found.value))).toEqual(wanted)
        told[kept ? 'remade' : 'derived'] += 1
      } else {
        told.not += 1
        // With the whole body there is little that stands in the way.
        if (kept) expect(['would_be_refused', 'body_would_stream']).toContain(found.error)
      }
    }),
    { numRuns: 1000 },
  )
  expect(Math.min(...Object.values(told))).toBeGreaterThan(30)
})

test('under the same profile recorded facts are taken as they are', () => {
  fc.assert(
    fc.property(sent, profile, (request, same) => {
      const facts = factsOf(request, same)
      if (!facts) return
      const found = createFactsUnder()(recordedOf(request, facts, false), same, { ...same })
      expect(found).toEqual({ ok: true, value: facts })
    }),
  )
})

group('facts cannot be made again', () => {
  const nothing: ExtractionProfile = {
    detectors: [],
    custom_detectors: [],
    phrases: [],
    json_paths: [],
    inspect_bodies: ['customers'],
  }
  const asks: ExtractionProfile = { ...nothing, json_paths: ['$.amount'] }
  const post: Sent = {
    action: 'http.request',
    resource: '/a',
    connection: 'customers',
    method: 'POST',
    target: '/a',
    headers: [['content-type', 'application/json']],
    body: Buffer.from('{"amount":7}'),
    declared: true,
  }
  const recorded = recordedOf(post, factsOf(post, nothing)!, true)
  const under = (
    one: Recorded,
    to: ExtractionProfile = asks,
    from: ExtractionProfile = nothing,
  ): unknown => {
    const found = createFactsUnder()(one, from, to)
    return found.ok ? found.value.paths : found.error
  }
  const base64 = (value: string): { base64: string; whole: boolean } => ({
    base64: Buffer.from(value).toString('base64'),
    whole: true,
  })

  test('unless the body is there, whole and the one that they were made of', () => {
    expect(under(recorded)).toEqual({ '$.amount': [7] })
    const { body: _, ...bare } = recorded
    expect(under(bare)).toBe('body_not_recorded')
    const { exchange: __, ...alone } = recorded
    expect(under(alone)).toBe('exchange_not_recorded')
    expect(under({ ...recorded, body: base64('{"amount":70}') })).toBe('body_not_whole')
    expect(under({ ...recorded, body: { ...base64('{"amount":7}'), whole: false } })).toBe(
      'body_not_whole',
    )
    const other = { ...recorded, exchange: { ...recorded.exchange, target: '/b' } }
    expect(under(other)).toBe('facts_differ')
  })

  test('of a body of unknown length unless it is known to be whole', () => {
    const streamed = { ...nothing, inspect_bodies: [] }
    const facts = factsOf({ ...post, declared: false }, streamed)!
    const one = recordedOf(post, facts, true)
    expect(facts.http?.body_bytes).toBe(-1)
    expect(under(one, asks, streamed)).toEqual({ '$.amount': [7] })
    const { base64: content } = one.body!
    expect(under({ ...one, body: { base64: content } }, asks, streamed)).toBe('body_not_whole')
  })

  test('where the enforcement point would not have let it come to policy', () => {
    const bad = { ...post, body: Buffer.from('{"amount":7'), connection: 'other' }
    const facts = factsOf(bad, nothing)!
    const to = { ...asks, inspect_bodies: ['other'] }
    expect(under(recordedOf(bad, facts, true), to)).toBe('would_be_refused')
  })

  test('of a masked message', () => {
    const asked: Sent = {
      ...post,
      action: 'anthropic.messages.create',
      headers: [],
      body: Buffer.from(
        JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `it is ${SSN}` }] }),
      ),
    }
    const from = { ...nothing, detectors: ['us_ssn'] }
    const one = recordedOf(asked, factsOf(asked, from)!, true)
    const masked = Buffer.from(asked.body.toString().replace(SSN, '[us_ssn]'))
    expect(under(one, { ...asks, detectors: ['us_ssn'] }, from)).toEqual({})
    expect(
      under({ ...one, body: base64(masked.toString()) }, { ...asks, detectors: ['us_ssn'] }, from),
    ).toBe('facts_differ')
  })

  test('of a protocol that nothing here reads', () => {
    const other = { ...recorded, input: { ...recorded.input, action: { name: 'mcp.tools.call' } } }
    expect(under(other)).toBe('protocol_unknown')
  })
})
