import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parsePdpConfig } from '../pdp/config.ts'
import { parsePepConfig } from '../pep/config.ts'

const connection = { kind: 'http', upstream: 'https://api.example.com' }
const problem = (value: unknown): string => {
  try {
    parsePepConfig(value)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('the configuration that comes along is right for both sides', () => {
  const value: unknown = parse(readFileSync('countersign.yaml', 'utf8'))
  expect(Object.keys(parsePepConfig(value).connections)).toEqual(['claude', 'customers'])
  expect(parsePdpConfig(value).pdp.listen.address).toEqual({ host: '127.0.0.1', port: 8181 })
})

test('nothing at all is a configuration with defaults, and without connections', () => {
  const config = parsePepConfig(undefined)
  expect(config.connections).toEqual({})
  expect(config.development).toBe(false)
  expect(config.pep.listen).toMatchObject([{ address: { host: '127.0.0.1', port: 8080 } }])
})

test.each([
  ['a key that is misspelt', { pep: { listne: [] } }, 'listne'],
  [
    'a kind that is not known',
    { connections: { a: { ...connection, kind: 'ftp' } } },
    'connections.a: kind must be one of',
  ],
  [
    'an upstream in the clear',
    { connections: { a: { ...connection, upstream: 'http://api.example.com' } } },
    'in the clear',
  ],
  [
    'a secret in an address',
    { connections: { a: { ...connection, upstream: 'https://u:p@api.example.com' } } },
    'must not hold a credential',
  ],
  [
    'a secret in the file',
    { connections: { a: { ...connection, credential: { header: 'x', from: 'sk-secret' } } } },
    'connections.a.credential.from: say where the secret is',
  ],
  [
    'a header that is none',
    { connections: { a: { ...connection, credential: { header: 'a b', from: { env: 'X' } } } } },
    'must be a header name',
  ],
  ['a name that is a path of our own', { connections: { health: connection } }, 'taken'],
  ['a name with a slash', { connections: { 'a/b': connection } }, 'a connection is named by'],
  [
    'plain HTTP on every address',
    { pep: { listen: [{ address: '0.0.0.0:80' }] } },
    'plain HTTP is for loopback only',
  ],
  [
    'an issuer in the clear',
    { identity: { issuers: [{ url: 'http://i.example.com', audience: 'a' }] } },
    'must be an https:// URL',
  ],
  [
    'an algorithm with a shared secret',
    {
      identity: {
        issuers: [{ url: 'https://i.example.com', audience: 'a', algorithms: ['HS256'] }],
      },
    },
    'identity.issuers.0.algorithms.0',
  ],
])('%s is refused, by its path', (_, value, message) => {
  expect(problem(value)).toContain(message)
})

test.each([
  ['an unknown key', { pdp: { bundel: 'x' } }, 'bundel'],
  [
    'a webhook to no URL',
    { pdp: { approvals: { webhook: { url: 'ftp://x', secret: { env: 'X' } } } } },
    'pdp.approvals.webhook.url',
  ],
  [
    'plain HTTP on every address',
    { pdp: { listen: '0.0.0.0:8181' } },
    'plain HTTP is for loopback only',
  ],
])('the decision service refuses %s as well', (_, value, message) => {
  expect(() => parsePdpConfig(value)).toThrow(message)
})
