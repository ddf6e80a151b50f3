import { describe, expect, test } from 'vitest'
import type { Revision } from '../../pdp/contract/brand.ts'
import type { DecisionRequest } from '../../pdp/contract/request.ts'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { compileMask } from '../../pep/mask/mask.ts'
import { inText } from '../../pep/mask/testing.ts'
import { detectors } from '../../pep/mask/detectors/catalogue.ts'
import { leakOf } from '../../pep/adapters/anthropic/testing-places.ts'
import { toolFacts } from '../../pep/facts/tool.ts'
import { testIntent, testOutcome } from '../../sealing/testing.ts'
import { secrets } from '../leakcheck/secrets.ts'
import {
  chunkOf,
  everySecret,
  masked,
  maskedBody,
  seenInRecord,
  viewMask,
} from '../view/testing.ts'
import { createViewMask } from './view-mask.ts'

type Intent = Extract<JournalRecord, { readonly kind: 'intent' }>

const percent = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

/** A record with the text in every place that an agent, an upstream or a message of policy can fill. */
function filled(text: string): Intent {
  const intent = testIntent()
  const { request, decision } = intent
  const { subject, context } = request
  return {
    ...intent,
    request: {
      subject: {
        ...subject,
        properties: {
          ...subject.properties,
          claims: { [text]: { deep: [text] }, exp: 1_700_000_000 },
        },
      },
      action: { name: 'http.request', properties: { [text]: text } },
      resource: { ...request.resource, type: 'anthropic.tool', id: text },
      context: {
        ...context,
        session: { id: 's-1', label: text },
        source: { address: '203.0.113.9', listener: 'main', user_agent: text },
        facts: {
          detectors: { ipv4: 3 },
          phrases: ['a_list'],
          paths: { '$.a': [text, 1, null] },
          http: {
            method: 'POST',
            path: `/a/${percent(text)}`,
            segments: ['a', text],
            query: { [text]: [text, 'x'] },
            content_type: text,
            body_bytes: 10,
            inspected: true,
          },
          ...toolFacts(
            'Bash',
            { command: `curl -u '${text}' "${text}" > '${text}'`, file_path: text, note: text },
            10,
          ),
          incomplete: [`tool.input.${text}: cut`],
          sql: {
            statements: [
              {
                kind: 'select',
                tables: [text],
                columns: [text],
                writes: false,
                has_where: true,
                functions: [text],
              },
            ],
            undetermined: [],
          },
        },
      },
    },
    decision: { ...decision, reasons: [{ rule: 'a_rule', message: `refused because of ${text}` }] },
    exchange: {
      method: 'POST',
      target: `/a/${percent(text)}/${encodeURIComponent(text)}?q=${encodeURIComponent(text).replaceAll('%20', '+')}&${percent(text)}`,
      headers: [
        ['x-note', text.replaceAll('\n', ' ')],
        ['x-encoded', percent(text)],
        ['referer', `https://example.com/?q=${encodeURIComponent(text).replaceAll('%20', '+')}`],
        ['x-basic', Buffer.from(`see ${text} there`).toString('base64')],
      ],
      body_bytes: 100,
      body_sha256: 'a'.repeat(64),
      body: Buffer.from(JSON.stringify({ messages: [{ role: 'user', content: text }] })),
      forwarded: Buffer.from(`said ${text} there`),
      cuts: [3],
      forwarded_cuts: [4],
    },
    masked: { email: 1 },
    observed: { 'custom:x': 2 },
  }
}

/** Also as it is written in a query. */
const seen = (record: JournalRecord): string => {
  const text = seenInRecord(record)
  const decoded = text.replace(/%[0-7][0-9a-f]/gi, (one) =>
    String.fromCharCode(Number.parseInt(one.slice(1), 16)),
  )
  const inside = text.replace(/[A-Za-z0-9+/]{16,}={0,2}/g, (one) =>
    Buffer.from(one, 'base64').toString(),
  )
  return [text, decoded, decoded.replaceAll('+', ' '), inside].join('\n\0\n')
}

const others = seen(filled('x'))

describe('an intent', () => {
  test.each(everySecret)(
    'shows a secret in none of its places: %s',
    async (_, { text, sensitive }) => {
      const shown = seen(await masked(filled(text)))
      expect(leakOf(sensitive, shown)).toBeUndefined()
      expect(leakOf(sensitive.toLowerCase(), shown.toLowerCase())).toBeUndefined()
    },
  )

  test.each(
    Object.values(detectors).flatMap(({ name, examples }) =>
      examples.map((example, k) => ({ name, k, ...inText(example) })),
    ),
  )('shows nothing of example $k of $name', async ({ before, value, after }) => {
    const shown = seen(await masked(filled(before + value + after)))
    // What the record holds without it may stay.
    expect(leakOf(value, shown, others)).toBeUndefined()
  })

  test('keeps who asked, ids, digests, times, counts and names', async () => {
    const record = filled('ada@example.com')
    const id = 'ada@example.com'
    const shown = await masked({
      ...record,
      request: { ...record.request, subject: { ...record.request.subject, id } },
    })
    expect(shown).toMatchObject({
      kind: 'intent',
      operation_id: 'op-1',
      time_ms: record.time_ms,
      connection: 'claude',
      masked: { email: 1 },
      observed: { 'custom:x': 2 },
      request: {
        subject: {
          id,
          type: 'agent',
          properties: { issuer: 'https://issuer', claims: { exp: 1_700_000_000 } },
        },
        action: { name: 'http.request' },
        context: {
          session: { id: 's-1', label: '[REDACTED:email]' },
          source: { address: '203.0.113.9' },
          facts: { detectors: { ipv4: 3 }, phrases: ['a_list'] },
          facts_revision: '0'.repeat(64),
        },
      },
      decision: {
        id: 'decision-1',
        effect: 'allow',
        reasons: [{ rule: 'a_rule', message: 'refused because of [REDACTED:email]' }],
      },
      exchange: { method: 'POST', body_bytes: 100 },
    })
    expect(shown.exchange).not.toHaveProperty('body_sha256')
    expect(shown.exchange).not.toHaveProperty('cuts')
    expect(shown.exchange).not.toHaveProperty('forwarded_cuts')
  })

  test('in which there is nothing is shown as it was', async () => {
    const intent = testIntent({
      exchange: {
        method: 'GET',
        target: '/customers/42?name=M%C3%BCller&q=a+b&&x',
        headers: [
          ['accept', '*/*'],
          ['x-digest', `sha256:${'ab12'.repeat(16)}`],
        ],
        body_bytes: 12,
        body: Buffer.from('{"a": "b" } '),
      },
    })
    expect(await masked(intent)).toEqual(intent)
  })

  test('hides headers that open something', async () => {
    const headers: [string, string][] = [
      ['Set-Cookie', 'a=b'],
      ['cookie', `sha256:${'ab12'.repeat(16)}`],
      ['x-password', `sha256:${'ab12'.repeat(16)}`],
      ['x-auth-token', 'abc'],
      ['X-Tokens-Left', '5'],
    ]
    const shown = await masked(testIntent({ exchange: { headers, body_bytes: 0 } }))
    expect(shown.exchange.headers).toEqual([
      ['Set-Cookie', '[REDACTED:credential]'],
      ['cookie', '[REDACTED:credential]'],
      ['x-password', '[REDACTED:credential]'],
      ['x-auth-token', '[REDACTED:credential]'],
      ['X-Tokens-Left', '5'],
    ])
  })

  test('keeps what stands around a value in a target', async () => {
    const target = '/find/ada%40example.com?card=see+4111+1111+1111+1111&x=M%C3%BCller'
    const shown = await masked(testIntent({ exchange: { target, body_bytes: 0 } }))
    expect(shown.exchange.target).toBe(
      '/find/[REDACTED:email]?card=see%20[REDACTED:credit_card]&x=M%C3%BCller',
    )
  })

  test('hides values that facts hold in lower case, or under the name that says what they are', async () => {
    const { request, ...intent } = testIntent()
    const key = inText(detectors.azure_key.examples[0] ?? '').value
    const tool = { name: 'x', input_bytes: 1, input: {}, paths: [] }
    const hosts = [{ host: 'akiaiosfodnn7example', by: 'curl', sends: false }]
    const facts = { ...request.context.facts, tool: { ...tool, hosts } }
    const properties = { ...request.subject.properties, claims: { account_key: [key], other: 'x' } }
    const shown = await masked({
      ...intent,
      request: {
        ...request,
        subject: { ...request.subject, properties },
        context: { ...request.context, facts },
      },
    })
    expect(shown.request.context.facts.tool?.hosts[0]?.host).toBe('[REDACTED:aws_key]')
    expect(shown.request.subject.properties.claims).toEqual({
      account_key: ['[REDACTED:azure_key]'],
      other: 'x',
    })
  })

  test('hides a value that goes on from segment to segment, and facts that were cut inside of one', async () => {
    const intent = filled('x')
    const { facts } = intent.request.context
    const request = (more: object): DecisionRequest => ({
      ...intent.request,
      context: { ...intent.request.context, facts: { ...facts, ...more } },
    })
    const http = { ...facts.http, segments: ['4111 1111', '1111 1111'], query: {} }
    const cut = 'note '.repeat(102).slice(0, 512 - 12) + '4111 1111 11'
    const shown = await masked({
      ...intent,
      request: request({ http, paths: { '$.a': [cut] } }),
      exchange: { target: '/4111/1111/1111/1111?x=1', body_bytes: 0 },
    })
    const text = JSON.stringify(shown)
    expect(text).not.toContain('4111')
    expect(shown.exchange.target).toContain('[REDACTED:')
  })

  test('masks card numbers that are numbers, and leaves times and sizes alone', async () => {
    const intent = testIntent()
    const { context } = intent.request
    const facts = { ...context.facts, paths: { '$.card': [4111111111111111, 7] } }
    const shown = await masked({
      ...intent,
      request: { ...intent.request, context: { ...context, facts } },
    })
    expect(shown.request.context.facts.paths).toEqual({ '$.card': ['[REDACTED:credit_card]', 7] })
  })
})

test.each(everySecret)(
  'decisions, outcomes and events show no secret: %s',
  async (_, { text, sensitive }) => {
    const { exchange, ...rest } = filled(text)
    const records: JournalRecord[] = [
      { ...rest, exchange, kind: 'decision', refused: text },
      testOutcome({
        reason: text,
        headers: [
          ['location', `/x?y=${percent(text)}`],
          [text, 'x'],
          ['x-y', text],
        ],
      }),
      { kind: 'event', time_ms: 1, name: 'x', detail: { [text]: [text], n: 1_700_000_000_000 } },
    ]
    for (const record of records)
      expect(leakOf(sensitive, seen(await masked(record)))).toBeUndefined()
  },
)

test('detectors of the policy that is active now are used', async () => {
  let customs = [{ name: 'badge', pattern: 'badge-[0-9]{4}', max_length: 10 }]
  const mask = createViewMask({ customs: () => customs })
  const record = chunkOf(Buffer.from('see badge-1234'))
  const text = async (): Promise<string> => {
    const shown = await mask(record)
    return shown.ok && shown.value.kind === 'chunk'
      ? Buffer.from(shown.value.body ?? []).toString()
      : ''
  }
  expect(await text()).toBe('see [REDACTED:custom:badge]')
  customs = []
  expect(await text()).toBe('see badge-1234')
})

test('what goes wrong shows nothing, and says nothing of what it was about', async () => {
  const broken = createViewMask({
    customs: () => {
      throw new Error('4111 1111 1111 1111')
    },
  })
  expect(await broken(testIntent())).toEqual({ ok: false, error: 'it cannot be masked' })
  const unknown = createViewMask({ customs: () => [{ name: 'x', pattern: 'a*', max_length: 3 }] })
  expect(await unknown(testIntent())).toMatchObject({ ok: false })
  const strange = testIntent()
  const request = { ...strange.request, subject: new Map() } as unknown as DecisionRequest
  expect(await viewMask({ ...strange, request })).toMatchObject({ ok: false })
})

test('a body that cannot be shown does not hide the decision about it', async () => {
  const body = Buffer.from([0xff, ...Buffer.from('4111 1111 1111 1111')])
  const shown = await masked(testIntent({ exchange: { body_bytes: 1, body, forwarded: body } }))
  expect(Buffer.from(shown.exchange.body ?? []).toString()).toBe('[NOT SHOWN: it is not UTF-8]')
  expect(shown.exchange.forwarded).toEqual(shown.exchange.body)
})

test('markers are those of redaction alone, whatever policy masked with', async () => {
  const text = secrets.map((secret) => secret.text).join('\n')
  const out = (await maskedBody(chunkOf(Buffer.from(text)))).toString()
  const keys = { hash: new Uint8Array(32), token: new Uint8Array(32) }
  const redact = compileMask([{ detectors: Object.keys(detectors), style: 'redact' }], {
    keys,
  }).text()
  expect(out).toBe(redact.push(text) + redact.end())
  expect(out).not.toMatch(/:[ht*]:?[a-p0-9]/)
})

const revision = 'f'.repeat(64) as Revision

test('a request of an older shape is masked all the same', async () => {
  const intent = testIntent()
  const request = {
    ...intent.request,
    gone: { since: 'ada@example.com', revision },
  } as unknown as DecisionRequest
  expect(JSON.stringify(await masked({ ...intent, request }))).not.toContain('ada@')
})

describe('a field that policy masks', () => {
  const mask = (where: 'request' | 'response') => ({
    kind: 'mask' as const,
    where,
    fields: ['$..maiden_name'],
    style: 'redact' as const,
  })
  const input = { maiden_name: 'Lovelace', command: 'lookup Lovelace' }
  const body = Buffer.from(JSON.stringify(input))

  /** A tool call, or a request, with the field in every fact that may come of it. */
  function asked(type: 'anthropic.tool' | 'http.path', where: 'request' | 'response'): Intent {
    const intent = testIntent()
    const { request, decision } = intent
    const facts = {
      ...request.context.facts,
      paths: { '$.maiden_name': ['Lovelace', 1815] },
      ...(type === 'anthropic.tool' && {
        tool: {
          name: 'lookup',
          input_bytes: body.length,
          input,
          paths: [{ path: '/Lovelace', op: 'read' as const }],
          hosts: [{ host: 'lovelace.example', by: 'lookup', sends: true }],
        },
        shell: {
          commands: [{ name: 'lookup', args: ['Lovelace'], flags: [], wrappers: [] }],
          pipes_into: [],
          redirects: [],
          substitutions: 0,
          undetermined: [],
          code: [],
        },
      }),
    }
    return {
      ...intent,
      request: {
        ...request,
        resource: { ...request.resource, type },
        context: { ...request.context, facts },
      },
      decision: { ...decision, obligations: [mask(where)] },
      exchange: { body_bytes: body.length, body, forwarded: body },
    }
  }

  test.each([
    ['anthropic.tool', 'response'],
    ['http.path', 'request'],
  ] as const)('is shown nowhere in the decision on %s', async (type, where) => {
    const shown = JSON.stringify(await masked(asked(type, where)), (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    )
    expect(shown).toContain('[REDACTED:field]')
    expect(shown).not.toMatch(
      type === 'anthropic.tool' ? /"maiden_name":"L|lovelace\.|1815/ : /1815/,
    )
    expect(JSON.parse(shown)).toMatchObject({
      request: {
        context: {
          facts: { paths: { '$.maiden_name': ['[REDACTED:field]', '[REDACTED:field]'] } },
        },
      },
    })
  })

  test('of an answer alone leaves what is said of the request', async () => {
    const shown = await masked(asked('http.path', 'response'))
    expect(shown.request.context.facts.paths).toEqual({ '$.maiden_name': ['Lovelace', 1815] })
  })
})
