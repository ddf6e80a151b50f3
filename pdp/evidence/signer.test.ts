import { generateKeyPairSync } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { COSIGNATURE, formatNote, signatureLine, verifyNote } from './note.ts'
import { openSigner, type Signer, signerConfig, type SignerConfig } from './signer.ts'
import { testKey } from './testing.ts'

const origin = 'example.com/log'
const key = testKey(origin)
const text = `${origin}\n0\n`
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signer-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function opened(config: SignerConfig, env: Record<string, string> = {}): Promise<Signer> {
  const signer = await openSigner(signerConfig.parse(config), origin, env)
  if (!signer.ok) throw new Error(signer.error)
  return signer.value
}
const holds = async (signer: Signer): Promise<boolean> => {
  const note = formatNote(text, [signatureLine(signer.key, await signer.sign(text))])
  return verifyNote(note, [key.key]).ok
}
/** A program as somebody's key service could be: a script that signs with a key of its own. */
async function program(body: string): Promise<string[]> {
  const path = join(folder, `signer-${Math.random()}.mjs`)
  await writeFile(
    path,
    `import { createPrivateKey, sign } from 'node:crypto'
     import { readFileSync } from 'node:fs'
     const key = createPrivateKey(${JSON.stringify(key.pem)})
     const text = readFileSync(0)
     ${body}`,
  )
  return [process.execPath, path]
}

describe('a key is read from', () => {
  test('an environment variable with PKCS#8 PEM', async () => {
    expect(await holds(await opened({ env: 'KEY' }, { KEY: key.pem }))).toBe(true)
  })

  test('a file with the seed in base64', async () => {
    const path = join(folder, 'seed')
    const { d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
    await writeFile(path, `${Buffer.from(d, 'base64url').toString('base64')}\n`)
    await chmod(path, 0o600)
    const signer = await opened({ file: path })
    const note = formatNote(text, [signatureLine(signer.key, await signer.sign(text))])
    expect(verifyNote(note, [signer.key]).ok).toBe(true)
    expect(signer.key.name).toBe(origin)
  })

  test('a command that prints it', async () => {
    const command = [process.execPath, '-e', `console.log(${JSON.stringify(key.pem)})`]
    expect(await holds(await opened({ command }))).toBe(true)
  })

  test('a program that signs and never shows it', async () => {
    const signer = await program(`console.log(sign(null, text, key).toString('base64'))`)
    expect(await holds(await opened({ signer, public_key: key.key.vkey }))).toBe(true)
  })
})

describe('nothing is signed', () => {
  test.each([
    [
      'a key that is no Ed25519 key',
      generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }),
    ],
    ['a seed that is too short', Buffer.alloc(31).toString('base64')],
    ['what is no key', 'secret-that-must-not-be-told'],
  ])('with %s, and it is not quoted', async (_, value) => {
    const signer = await openSigner({ env: 'KEY' }, origin, { KEY: value })
    expect(signer.ok).toBe(false)
    expect(JSON.stringify(signer)).not.toContain(value.slice(0, 20))
  })

  test('under a name that no key may have', async () => {
    expect((await openSigner({ env: 'KEY' }, 'two words', { KEY: key.pem })).ok).toBe(false)
  })

  test('by a program whose public key is that of another log, or of a witness', async () => {
    for (const public_key of [
      testKey('example.com/other').key.vkey,
      testKey(origin, COSIGNATURE).key.vkey,
      'nonsense',
    ])
      expect((await openSigner({ signer: ['true'], public_key }, origin, {})).ok).toBe(false)
  })

  test.each([
    [
      'signs something else',
      `console.log(sign(null, Buffer.concat([text, text]), key).toString('base64'))`,
    ],
    ['prints nonsense', `console.log('yes')`],
    ['fails', `console.log(sign(null, text, key).toString('base64')); process.exit(3)`],
  ])('by a program that %s', async (_, body) => {
    const signer = await opened({ signer: await program(body), public_key: key.key.vkey })
    await expect(signer.sign(text)).rejects.toThrow('the signer')
  })

  test('by a program that is not there', async () => {
    const signer = await opened({ signer: ['/nowhere/signer'], public_key: key.key.vkey })
    await expect(signer.sign(text)).rejects.toThrow('ENOENT')
  })
})
