import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { readPolicyData } from './policy-data/read.ts'
import type { PreparedData } from './policy-data/prepared.ts'
import { toolTraits } from './policy-data/sources.ts'
import { prepareData } from './prepare-data.ts'

const fixtures = await readPolicyData('rego/fixtures')

/** The fixtures with one table replaced. */
const withTable = (name: string, value: unknown) => ({ ...fixtures, [name]: value })
const grant = (more: object) => ({
  id: 'one',
  description: 'One.',
  who: { groups: ['a'] },
  connection: 'orders',
  http: { methods: ['GET'], paths: ['/a'] },
  ...more,
})
const model = grant({
  id: 'two',
  connection: 'model',
  http: undefined,
  anthropic: { models: ['*'] },
})
const administer = (more: object) => ({
  id: 'one',
  description: 'One.',
  who: { groups: ['a'] },
  actions: ['countersign.sessions.unmask'],
  ...more,
})
const countersign = (sources: Record<string, unknown>) =>
  prepareData(sources).data['countersign'] as PreparedData

describe('what is not understood whole is not built', () => {
  const refused: [string, string, unknown, RegExp][] = [
    ['a misspelt key', 'grants', [grant({ conection: 'x' })], /grants\.yaml: \[0\]: .*conection/],
    ['a grant for nobody', 'grants', [grant({ who: {} })], /grants\.yaml: \[0\]\.who: must name/],
    ['an empty list of groups', 'grants', [grant({ who: { groups: [] } })], /must name/],
    ['a grant on every connection', 'grants', [grant({ connection: '*' })], /name of a connection/],
    ['a grant of nothing', 'grants', [grant({ http: undefined })], /must grant http or anthropic/],
    [
      'a star inside a segment',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a*'] } })],
      /paths\[0\]: "a\*"/,
    ],
    [
      'a double star in the middle',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/**/a'] } })],
      /\*\* may only/,
    ],
    [
      'a dot segment',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a/../b'] } })],
      /dot segments/,
    ],
    [
      'an encoded path',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a%2fb'] } })],
      /decoded/,
    ],
    [
      'a relative path',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['a'] } })],
      /begin with \//,
    ],
    [
      'a method in small letters',
      'grants',
      [grant({ http: { methods: ['get'], paths: ['/a'] } })],
      /capitals/,
    ],
    [
      'a glob in the middle of a name',
      'grants',
      [grant({ anthropic: { models: ['a*b'] } })],
      /only stand at the end/,
    ],
    [
      'a host with a star inside',
      'grants',
      [grant({ anthropic: { models: ['*'], mcp_servers: ['a*.example.com'] } })],
      /a host/,
    ],
    [
      'a JSON path that is none',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a'], body: { amount: { max: 1 } } } })],
      /JSON path/,
    ],
    [
      'a condition without a word',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a'], body: { '$.a': {} } } })],
      /one_of, min, max or absent/,
    ],
    [
      'a number for a query parameter',
      'grants',
      [grant({ http: { methods: ['GET'], paths: ['/a'], query: { a: { max: 3 } } } })],
      /is text/,
    ],
    [
      'two grants of one name',
      'grants',
      [grant({}), grant({}), model],
      /grants\.yaml: "one" is there twice/,
    ],
    [
      'a deny for a connection without grants',
      'deny',
      [{ id: 'x', message: 'X.', connections: ['ordrs'] }],
      /deny\.yaml: x: "ordrs" is not a connection/,
    ],
    [
      'a deny of two kinds',
      'deny',
      [{ id: 'x', message: 'X.', tool: { names: ['*'] }, model: { names: ['*'] } }],
      /one of http, model, tool/,
    ],
    [
      'a trait that no rule has',
      'deny',
      [{ id: 'x', message: 'X.', tool: { names: ['*'], is: ['rude'] } }],
      /is\[0\]/,
    ],
    [
      'findings of a detector that does not exist',
      'deny',
      [{ id: 'x', message: 'X.', findings: { mail: 1 } }],
      /"mail" is not a detector/,
    ],
    [
      'an approval without approvers',
      'approvals',
      [{ id: 'x', message: 'X.', approvers: [] }],
      /approvers/,
    ],
    [
      'an approval after a list of phrases that is nowhere',
      'approvals',
      [{ id: 'x', message: 'X.', approvers: ['a'], tool: { names: ['*'], phrases: ['nowhere'] } }],
      /list of phrases/,
    ],
    [
      'a mask of a detector that does not exist',
      'masks',
      [{ id: 'x', description: 'X.', where: 'response', style: 'redact', detectors: ['e-mail'] }],
      /masks\.yaml: x: "e-mail"/,
    ],
    [
      'a mask of nothing',
      'masks',
      [{ id: 'x', description: 'X.', where: 'response', style: 'redact' }],
      /detectors or fields/,
    ],
    [
      'a mask of a field that is no path',
      'masks',
      [{ id: 'x', description: 'X.', where: 'response', style: 'redact', fields: ['a b'] }],
      /JSON path/,
    ],
    [
      'a forbidden list that is nowhere',
      'prompts',
      { model: { forbidden_phrases: ['nowhere'] } },
      /list of phrases/,
    ],
    [
      'a limit for a connection without grants',
      'limits',
      { ordrs: { max_bytes: 1 } },
      /limits\.yaml: ordrs/,
    ],
    [
      'an unbounded pattern',
      'detectors',
      [{ name: 'employee_id', pattern: 'a+', max_length: 10 }],
      /detectors\.yaml: employee_id/,
    ],
    [
      'a grant on the connection of administration',
      'grants',
      [grant({}), model, grant({ id: 'x', connection: 'countersign' })],
      /grants\.yaml: "countersign" is the connection of administration\.yaml/,
    ],
    [
      'an administrative action that does not exist',
      'administration',
      [administer({ actions: ['countersign.sessions.delete'] })],
      /administration\.yaml: \[0\]\.actions\[0\]/,
    ],
    ['an administrator who is nobody', 'administration', [administer({ who: {} })], /must name/],
    [
      'administration of a connection without grants',
      'administration',
      [administer({ connections: ['ordrs'] })],
      /administration\.yaml: one: "ordrs" is not a connection/,
    ],
    [
      'administration of no connection',
      'administration',
      [administer({ connections: [] })],
      /\[0\]\.connections/,
    ],
    [
      'a misspelt term of administration',
      'administration',
      [administer({ reason_requird: true })],
      /reason_requird/,
    ],
    [
      'two entries of administration of one name',
      'administration',
      [administer({}), administer({})],
      /administration\.yaml: "one" is there twice/,
    ],
    [
      'an approval of administration',
      'approvals',
      [{ id: 'x', message: 'X.', connections: ['countersign'], approvers: ['a'] }],
      /approvals\.yaml: x: "countersign" is not a connection/,
    ],
    ['an empty file', 'masks', null, /masks\.yaml: \./],
    ['a table that does not exist', 'grant', [], /grant\.yaml: no such table/],
  ]
  test.each(refused)('%s', (_, table, value, message) => {
    expect(() => prepareData(withTable(table, value))).toThrow(message)
  })

  test('a table that is missing', () => {
    const { masks: _, ...rest } = fixtures
    expect(() => prepareData(rest)).toThrow(/masks\.yaml: is missing/)
  })

  test('a setting that is spread over files', () => {
    expect(() => prepareData({ ...fixtures, 'record.team': { model: 'full' } })).toThrow(
      /record\.team/,
    )
  })
})

test('a table may be spread over files, and the file at fault is named', () => {
  const more = grant({ id: 'from_team', connection: 'invoices' })
  expect(Object.keys(countersign({ ...fixtures, 'grants.team': [more] }).connections)).toContain(
    'invoices',
  )
  expect(() => prepareData({ ...fixtures, 'grants.team': [{ ...more, who: {} }] })).toThrow(
    /grants\.team\.yaml: \[0\]\.who/,
  )
})

test('grants are found by method, literal prefix and principal', () => {
  const { connections } = countersign(fixtures)
  const get = connections['orders']!.grants.http['GET']!
  expect(get.depths).toEqual([2])
  expect(get.at['/orders']!['s:orders.read']).toEqual([
    { rule: 'grant.by_scope', path: { length: 3, open: false, fixed: [], any: [2] } },
  ])
  expect(Object.keys(get.at['/reports']!)).toEqual([
    'c:department="finance"',
    'c:department=7',
    'c:department=true',
  ])
  expect(get.at['/reports']!['c:department=7']![0]!.path).toEqual({
    length: 4,
    open: true,
    fixed: [[3, 'pages']],
    any: [2],
  })
})

test('a grant for the root and a grant for everything are in different places', () => {
  const { connections } = countersign(
    withTable('grants', [
      grant({ http: { methods: ['GET'], paths: ['/'] } }),
      grant({ id: 'all', http: { methods: ['GET'], paths: ['/**'] } }),
      model,
    ]),
  )
  const get = connections['orders']!.grants.http['GET']!
  expect(get.at['/']!['g:a']!.map((entry) => entry.rule)).toEqual(['grant.one'])
  expect(get.at['']!['g:a']!.map((entry) => entry.rule)).toEqual(['grant.all'])
})

test('names that mean something to JavaScript are names like others', () => {
  const { connections } = countersign(
    withTable('grants', [
      grant({}),
      { ...model, anthropic: { models: ['__proto__', 'constructor'], betas: ['__proto__'] } },
    ]),
  )
  const { exact } = connections['model']!.grants.models
  expect(Object.keys(exact)).toEqual(['__proto__', 'constructor'])
  expect(JSON.stringify(exact['constructor']!['g:a'])).toContain('"exact":{"__proto__":true}')
})

test('administration has a connection of its own, which restrictions of every connection reach', () => {
  const mine = countersign(fixtures).connections['countersign']!
  expect(Object.keys(mine.administration!['countersign.sessions.unmask']!)).toEqual([
    'g:investigators',
    'g:desk',
  ])
  expect(mine.administration!['countersign.sessions.unmask']!['g:desk']).toEqual([
    {
      rule: 'administration.orders_desk',
      when: { issuers: ['https://one.example.com'], types: ['user'] },
      administration: {
        resources: ['countersign.session'],
        reason_required: true,
        own_sessions: false,
        connections: ['orders'],
      },
    },
  ])
  expect(mine.claims).toContain('department')
  expect(mine.deny.all['g:blocked']).toHaveLength(1)
  expect(mine.grants.all).toEqual({})
  const { orders } = countersign(fixtures).connections
  expect(orders).not.toHaveProperty('administration')
})

test('who is never to administer anything can be denied', () => {
  const rule = { id: 'x', message: 'X.', connections: ['countersign'], who: { groups: ['temps'] } }
  const { connections } = countersign(withTable('deny', [rule]))
  expect(connections['countersign']!.deny.all['g:temps']).toHaveLength(1)
  expect(connections['orders']!.deny.all['g:temps']).toBeUndefined()
})

test('whatever a condition uses is extracted', () => {
  expect(prepareData(fixtures).profile).toEqual({
    detectors: ['aws_key', 'credit_card', 'custom:employee_id', 'private_key'],
    custom_detectors: [{ name: 'employee_id', pattern: 'EMP-[0-9]{6}', max_length: 10 }],
    phrases: [
      { name: 'production', phrases: ['production database'] },
      { name: 'secret', phrases: ['do not tell'] },
    ],
    json_paths: ['$.amount', '$.currency', '$.discount', '$.quantity'],
    inspect_bodies: ['model', 'orders'],
  })
})

test('a list of phrases that nothing names is not searched for', () => {
  const { profile } = prepareData(withTable('prompts', {}))
  expect(profile.phrases.map((list) => list.name)).toEqual(['production'])
})

test('what is unknown is refused where no setting speaks of it', () => {
  expect(countersign(fixtures).connections['orders']!.features.betas).toBe('refuse')
})

test('masks are marked as disjoint only when none meets another', () => {
  const mask = (id: string, detectors: string[], where = 'response') => ({
    id,
    description: 'M.',
    where,
    detectors,
    style: 'redact',
  })
  const disjoint = (...masks: object[]) =>
    countersign(withTable('masks', masks)).connections['orders']!.masks_disjoint
  expect(disjoint(mask('a', ['email']), mask('b', ['phone']))).toBe(true)
  expect(disjoint(mask('a', ['email']), mask('b', ['email'], 'request'))).toBe(true)
  expect(disjoint(mask('a', ['email', 'iban']), mask('b', ['phone', 'iban']))).toBe(false)
})

test('the same sources give the same data, in whatever order they are read', () => {
  const turned = Object.fromEntries(Object.entries(fixtures).toReversed())
  expect(JSON.stringify(prepareData(turned))).toBe(JSON.stringify(prepareData(fixtures)))
})

test('the traits that data may name are those that the rules know', async () => {
  const rules = await readFile('rego/countersign/lib/tool.rego', 'utf8')
  const traits = [...rules.matchAll(/^traits contains "(\w+)"/gm)].map((match) => match[1])
  expect(new Set(traits)).toEqual(new Set(toolTraits))
})
