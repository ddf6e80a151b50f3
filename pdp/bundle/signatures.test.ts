import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findOpa } from '../../scripts/opa.ts'
import { canonicalJson } from './canonical-json.ts'
import { signingKey, verificationKey } from './keys.ts'
import { signFiles, verifySignatures } from './signatures.ts'

const run = promisify(execFile)
const found = await findOpa({ purpose: 'check' })
if (!found.ok) throw new Error(found.error.message)
const opa = found.value.path

function pairOf(type: 'rsa' | 'ec' | 'ed25519') {
  const encoding = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  } as const
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048, ...encoding })
  if (type === 'ec') return generateKeyPairSync('ec', { namedCurve: 'prime256v1', ...encoding })
  return generateKeyPairSync('ed25519', encoding)
}
const rsa = pairOf('rsa')
const foreign = pairOf('rsa')
const ec = pairOf('ec')
const ed = pairOf('ed25519')
const secret = 'a secret that only this test knows'

const files: ReadonlyMap<string, Uint8Array> = new Map<string, Uint8Array>([
  ['.manifest', Buffer.from('{"roots":[""], "revision": "r"}')],
  [
    'data.json',
    Buffer.from('{"b": 1.50, "a": {"x": "<é>&\\u2028", "y": [1e3, 12345678901234567890]}}'),
  ],
  ['a/rules.rego', Buffer.from('package a\n\nallow := true\n')],
  ['other.json', Buffer.from('{"z": 1}')],
])

const signer = signingKey('RS256', rsa.privateKey, 'k1')
const keys = [verificationKey('k1', 'RS256', rsa.publicKey)]
const signed = new Map([...files, ['.signatures.json', signFiles(files, signer)]])

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-signatures-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, content: ReadonlyMap<string, Uint8Array>): string {
  const root = join(folder, name)
  for (const [path, bytes] of content) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), bytes)
  }
  return root
}

describe('OPA and we take each other’s signatures', () => {
  test.each([
    ['RS256', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['ES256', ec],
  ] as const)('%s', async (alg, pair) => {
    const root = write(`by-opa-${alg}`, files)
    const key = join(folder, `${alg}.pem`)
    const pub = join(folder, `${alg}.pub`)
    writeFileSync(key, pair.privateKey)
    writeFileSync(pub, pair.publicKey)
    await run(
      opa,
      ['sign', '--signing-alg', alg, '--signing-key', key, '--bundle', '.', '-o', '.'],
      { cwd: root },
    )
    const byOpa = new Map([
      ...files,
      ['.signatures.json', readFileSync(join(root, '.signatures.json'))],
    ])
    verifySignatures(byOpa, { keys: [verificationKey('any', alg, pair.publicKey)] })

    const ours = new Map([
      ...files,
      ['.signatures.json', signFiles(files, signingKey(alg, pair.privateKey, 'k'))],
    ])
    const mine = write(`by-us-${alg}`, ours)
    await run(
      opa,
      [
        'build',
        '--bundle',
        '.',
        '--output',
        join(folder, `${alg}.tar.gz`),
        '--verification-key',
        pub,
        '--verification-key-id',
        'k',
        '--signing-alg',
        alg,
      ],
      { cwd: mine },
    )
  })

  test('HS256', async () => {
    const root = write('by-opa-HS256', files)
    await run(
      opa,
      ['sign', '--signing-alg', 'HS256', '--signing-key', secret, '--bundle', '.', '-o', '.'],
      { cwd: root },
    )
    const byOpa = new Map([
      ...files,
      ['.signatures.json', readFileSync(join(root, '.signatures.json'))],
    ])
    verifySignatures(byOpa, { keys: [verificationKey('any', 'HS256', secret)] })
  })
})

test('Ed25519 signs and verifies, and gives the same bytes each time', () => {
  const key = signingKey('EdDSA', ed.privateKey, 'e')
  const once = signFiles(files, key)
  expect(signFiles(files, key)).toEqual(once)
  verifySignatures(new Map([...files, ['.signatures.json', once]]), {
    keys: [verificationKey('e', 'EdDSA', ed.publicKey)],
  })
})

test('what is signed verifies', () => {
  verifySignatures(signed, { keys })
})

/** The signed bundle with files changed, or left out with `undefined`. */
const changed = (changes: Readonly<Record<string, string | undefined>>) => {
  const all = new Map<string, Uint8Array>(signed)
  for (const [name, content] of Object.entries(changes))
    if (content === undefined) all.delete(name)
    else all.set(name, Buffer.from(content))
  return all
}

/** A token put together by somebody without the key. */
const forged = (header: object, payload: object, signature = 'AAAA') => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return JSON.stringify({ signatures: [`${encode(header)}.${encode(payload)}.${signature}`] })
}
const list = (
  JSON.parse(
    Buffer.from(
      (
        JSON.parse(Buffer.from(signed.get('.signatures.json')!).toString()) as {
          signatures: string[]
        }
      ).signatures[0]!.split('.')[1]!,
      'base64url',
    ).toString(),
  ) as { files: object[] }
).files
const resigned = (payload: object, header: object = { alg: 'RS256', kid: 'k1' }) => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${encode(header)}.${encode(payload)}`
  const key = signer.key
  const { sign } = globalThis.process.getBuiltinModule('node:crypto')
  return JSON.stringify({
    signatures: [`${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`],
  })
}

describe('refused', () => {
  test.each([
    ['no signature', changed({ '.signatures.json': undefined }), 'not signed'],
    [
      'a rule that was changed',
      changed({ 'a/rules.rego': 'package a\n\nallow := 1\n' }),
      'not what was signed',
    ],
    ['data that was changed', changed({ 'data.json': '{"b":1.5}' }), 'not what was signed'],
    [
      'a number written otherwise',
      changed({
        'data.json': '{"b": 1.5, "a": {"x": "<é>&\\u2028", "y": [1e3, 12345678901234567890]}}',
      }),
      'not what was signed',
    ],
    [
      'a manifest that was changed',
      changed({ '.manifest': '{"roots":["x"],"revision":"r"}' }),
      'not what was signed',
    ],
    [
      'a file that was added',
      changed({ 'a/more.rego': 'package a\n\nallow := true\n' }),
      'a/more.rego is not signed',
    ],
    [
      'a file that was taken away',
      changed({ 'other.json': undefined }),
      'other.json: signed, and not in the bundle',
    ],
    [
      'a file that was renamed',
      changed({ 'a/rules.rego': undefined, 'b/rules.rego': 'package a\n\nallow := true\n' }),
      'b/rules.rego is not signed',
    ],
    [
      'no signatures at all',
      changed({ '.signatures.json': '{"signatures":[]}' }),
      'has 0 signatures',
    ],
    [
      'two signatures',
      changed({ '.signatures.json': JSON.stringify({ signatures: ['a.b.c', 'a.b.c'] }) }),
      'has 2 signatures',
    ],
    ['a signature file that is no JSON', changed({ '.signatures.json': '{' }), 'not JSON'],
    [
      'another list under the signature',
      changed({ '.signatures.json': forged({ alg: 'RS256', kid: 'k1' }, { files: [] }) }),
      'not made by the key k1',
    ],
    [
      'an algorithm of "none"',
      changed({ '.signatures.json': forged({ alg: 'none', kid: 'k1' }, { files: list }, 'AA') }),
      'the signature says none',
    ],
    [
      'the public key used as a secret',
      changed({
        '.signatures.json': Buffer.from(
          signFiles(files, signingKey('HS256', rsa.publicKey, 'k1')),
        ).toString(),
      }),
      'the signature says HS256',
    ],
    [
      'a key that nobody knows',
      changed({
        '.signatures.json': Buffer.from(
          signFiles(files, signingKey('RS256', foreign.privateKey, 'k2')),
        ).toString(),
      }),
      'may not sign',
    ],
    [
      'another key under the right name',
      changed({
        '.signatures.json': Buffer.from(
          signFiles(files, signingKey('RS256', foreign.privateKey, 'k1')),
        ).toString(),
      }),
      'not made by the key k1',
    ],
    [
      'a scope that was not asked for',
      changed({ '.signatures.json': Buffer.from(signFiles(files, signer, 'other')).toString() }),
      'scope',
    ],
    [
      'an extension that must be understood',
      changed({
        '.signatures.json': resigned(
          { files: list },
          { alg: 'RS256', kid: 'k1', crit: ['x'], x: 1 },
        ),
      }),
      'extensions',
    ],
    [
      'a file that is listed twice',
      changed({ '.signatures.json': resigned({ files: [...list, list[0]!] }) }),
      'listed twice',
    ],
    [
      'a hash that proves nothing',
      changed({
        '.signatures.json': resigned({ files: list.map((one) => ({ ...one, algorithm: 'MD5' })) }),
      }),
      'MD5 is not accepted',
    ],
    [
      'a plugin',
      changed({ '.signatures.json': '{"signatures":["a.b.c"],"plugin":"x"}' }),
      'plugin',
    ],
  ])('%s', (_, bundle, why) => {
    expect(() => verifySignatures(bundle, { keys })).toThrow(why)
  })

  test('a scope that was asked for and is not there', () => {
    expect(() => verifySignatures(signed, { keys, scope: 'write' })).toThrow('scope')
  })

  test('any bit of the signature that was flipped', () => {
    const content = Buffer.from(signed.get('.signatures.json')!)
    fc.assert(
      fc.property(fc.integer({ min: 17, max: content.length - 5 }), fc.nat(7), (at, bit) => {
        const bytes = Buffer.from(content)
        bytes[at] = bytes[at]! ^ (1 << bit)
        const bundle = new Map([...signed, ['.signatures.json', bytes]])
        // The last character of base64url holds bits that mean nothing.
        if (at >= content.length - 6) return
        expect(() => verifySignatures(bundle, { keys })).toThrow()
      }),
      { numRuns: 200 },
    )
  })
})

test('a key of another type than its algorithm is refused when it is read', () => {
  expect(() => verificationKey('k', 'RS256', ec.publicKey)).toThrow('must be of type rsa')
  expect(() => verificationKey('k', 'RS256', 'no key')).toThrow('not a key in PEM')
  expect(() => verificationKey('k', 'none', rsa.publicKey)).toThrow('no algorithm')
})

test('canonical JSON is the same for every order of keys and spacing, and keeps number literals', () => {
  expect(() => canonicalJson('{"a":{"b":1,"b":1}}')).toThrow()
  expect(canonicalJson('{"b":1.50,"a":[1e3, -0]}')).toBe('{"a":[1e3,-0],"b":1.50}')
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const reversed = Object.fromEntries(Object.entries(value).toReversed())
      expect(canonicalJson(JSON.stringify(value, null, 2))).toBe(
        canonicalJson(JSON.stringify(reversed)),
      )
    }),
  )
})
