import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WrappedKey } from '../pdp/contract/record.ts'
import { type MasterKeyConfig, masterKeyOf, openMasterKey, sealingConfig } from './master-key.ts'
import { createSessionKeys } from './session-keys.ts'
import { testMaster } from './testing.ts'
import { createUnwrapper, createWrapper } from './wrapper.ts'

const base64 = (fill: number): string => Buffer.alloc(32, fill).toString('base64')
const env = { FIRST: base64(1), SECOND: base64(2), SHORT: 'c2hvcnQ=' }

function configured(master_key: unknown): MasterKeyConfig {
  const config = sealingConfig.parse({ master_key }).master_key
  if (!config) throw new Error('there is none')
  return config
}

async function opened(config: unknown) {
  const key = await openMasterKey(configured(config), env)
  if (!key.ok) throw new Error(key.error)
  return key.value
}

describe('a master key', () => {
  test('of several the first wraps and all unwrap', async () => {
    const before = await opened({ env: 'SECOND' })
    const both = await opened([{ env: 'FIRST' }, { env: 'SECOND' }])
    const secret = randomBytes(32)
    expect(await both.unwrap(await before.wrap(secret))).toEqual({ ok: true, value: secret })
    const wrapped = await both.wrap(secret)
    const first = await opened({ env: 'FIRST' })
    expect(await first.unwrap(wrapped)).toEqual({ ok: true, value: secret })
    expect(both.id).toBe(first.id)
  })

  test('that is lost is named', async () => {
    const lost = await opened({ env: 'SECOND' })
    const first = await opened({ env: 'FIRST' })
    const error = `sealed under master key ${lost.id}, which is not configured`
    expect(await first.unwrap(await lost.wrap(randomBytes(32)))).toEqual({ ok: false, error })
  })

  test('what it wrapped does not unwrap with any bit flipped', async () => {
    const wrapped = await testMaster.wrap(randomBytes(32))
    await fc.assert(
      fc.asyncProperty(fc.nat(wrapped.length * 8 - 1), async (at) => {
        const flipped = Uint8Array.from(wrapped)
        flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
        expect((await testMaster.unwrap(flipped)).ok).toBe(false)
      }),
    )
  })

  test('that is no base64 of 32 bytes, is missing, or is there twice, is refused without being quoted', async () => {
    for (const [config, why] of [
      [{ env: 'SHORT' }, 'base64 of 32 bytes'],
      [{ env: 'NONE' }, 'set the environment variable NONE'],
      [[{ env: 'FIRST' }, { env: 'FIRST' }], 'the same id'],
    ] as const) {
      const key = await openMasterKey(configured(config), env)
      expect(key).toMatchObject({ ok: false, error: expect.stringContaining(why) })
      expect(JSON.stringify(key)).not.toContain(env.SHORT)
    }
  })

  test('of a key service is asked by its commands, and failures are told without what went in', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kms-'))
    try {
      // Stands for a service: it turns bytes into others and back.
      const program = join(folder, 'kms')
      await writeFile(
        program,
        '#!/bin/sh\n[ "$1" = fail ] && exit 3\nbase64 -d | tr "\\000-\\377" "\\200-\\377\\000-\\177" | base64\n',
      )
      await chmod(program, 0o755)
      const about = { id: 'kms/1', wrap: [program, 'wrap'], unwrap: [program, 'unwrap'] }
      const key = await opened(about)
      const secret = randomBytes(32)
      const wrapped = await key.wrap(secret)
      expect(Buffer.from(wrapped).includes('kms/1')).toBe(true)
      expect(await key.unwrap(wrapped)).toEqual({ ok: true, value: secret })
      const failing = await opened({ ...about, wrap: [program, 'fail'] })
      await expect(failing.wrap(randomBytes(32))).rejects.toThrow(/the command .* failed \(3\)/)
      const echo = await opened({ ...about, wrap: ['cat'] })
      await expect(echo.wrap(randomBytes(32))).rejects.toThrow('does not wrap')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('a data key', () => {
  const owner = { id: '0'.repeat(32), session_id: 's-1', connection: 'claude' }

  test('is wrapped by a key of the process, for which the master key is asked once', async () => {
    let wraps = 0
    let unwraps = 0
    const master = {
      ...testMaster,
      wrap: (key: Uint8Array) => ((wraps += 1), testMaster.wrap(key)),
      unwrap: (key: Uint8Array) => ((unwraps += 1), testMaster.unwrap(key)),
    }
    const wrapper = await createWrapper(master)
    const unwrapper = createUnwrapper(master)
    for (let n = 0; n < 20; n += 1) {
      const secret = randomBytes(32)
      const key: WrappedKey = { ...owner, created_ms: 1, wrapped: wrapper.wrap(owner, secret) }
      expect(await unwrapper.unwrap(key)).toEqual({ ok: true, value: secret })
    }
    expect([wraps, unwraps]).toEqual([1, 1])
  })

  test('of one session cannot stand in the place of another', async () => {
    const wrapper = await createWrapper(testMaster)
    const key = { ...owner, created_ms: 1, wrapped: wrapper.wrap(owner, randomBytes(32)) }
    const unwrapper = createUnwrapper(testMaster)
    for (const other of [{ id: '1'.repeat(32) }, { session_id: 's-2' }, { connection: 'api' }])
      expect((await unwrapper.unwrap({ ...key, ...other })).ok).toBe(false)
    expect((await unwrapper.unwrap(key)).ok).toBe(true)
  })

  test('whose master key is not there yet unwraps once it is', async () => {
    const wrapper = await createWrapper(testMaster)
    const key = { ...owner, created_ms: 1, wrapped: wrapper.wrap(owner, randomBytes(32)) }
    let now = masterKeyOf(Buffer.alloc(32, 9))
    const unwrapper = createUnwrapper({ unwrap: (wrapped) => now.unwrap(wrapped) })
    expect(await unwrapper.unwrap(key)).toMatchObject({ ok: false })
    now = testMaster
    expect(await unwrapper.unwrap(key)).toMatchObject({ ok: true })
  })
})

describe('keys of sessions', () => {
  test('are one for a session on a connection, for a day, and within bounds', async () => {
    let now_ms = 1_000
    const keys = createSessionKeys({
      wrapper: await createWrapper(testMaster),
      now: () => now_ms,
      max_keys: 2,
    })
    const made = (session: string, connection: string): boolean =>
      keys.keyFor(session, connection).made !== undefined
    expect([made('a', 'x'), made('a', 'x'), made('a', 'y'), made('a', 'x')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    // The third one puts out the one that was not used for longest.
    expect([made('b', 'x'), made('a', 'x'), made('a', 'y')]).toEqual([true, false, true])
    now_ms += 24 * 60 * 60 * 1000
    expect(made('a', 'y')).toBe(true)
    now_ms -= 1
    expect(made('a', 'y')).toBe(true)
  })
})
