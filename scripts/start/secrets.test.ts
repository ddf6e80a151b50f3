import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { masterKey } from './secrets.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-secrets-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('a master key is made at the first start, for its owner alone, and both halves of the folder have it', async () => {
  const made = await masterKey(undefined, 'pdp', folder, {})
  const path = join(folder, 'master-key')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(Buffer.from(await readFile(path, 'utf8'), 'base64')).toHaveLength(32)
  const secret = randomBytes(32)
  const again = await masterKey(undefined, 'pep', folder, {})
  expect(await again.unwrap(await made.wrap(secret))).toEqual({ ok: true, value: secret })
})

test('an enforcement point alone makes none, and says how it gets one', async () => {
  await expect(masterKey(undefined, 'pep', folder, {})).rejects.toThrow(
    `name it under sealing.master_key, or copy its master-key file to ${join(folder, 'master-key')}`,
  )
})

test('a master key that is named is used, and one that cannot be read or is none stops the start', async () => {
  const env = { KEY: randomBytes(32).toString('base64') }
  const named = await masterKey({ env: 'KEY' }, 'pep', folder, env)
  expect(named.id).toMatch(/^[0-9a-f]{16}$/)
  await expect(masterKey({ env: 'NONE' }, 'pep', folder, env)).rejects.toThrow('sealing.master_key')
  await writeFile(join(folder, 'master-key'), 'half a key')
  await expect(masterKey(undefined, undefined, folder, env)).rejects.toThrow('base64 of 32 bytes')
})
