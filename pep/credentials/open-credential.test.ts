import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CredentialConfig, openCredential } from './open-credential.ts'
import type { Credential } from './credential.ts'

let folder: string
let open: Credential | undefined
let lines: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-credential-'))
  lines = ''
})
afterEach(async () => {
  open?.close()
  await rm(folder, { recursive: true, force: true })
})

type From = CredentialConfig['from']
const SECRET = ['upstream', 'secret', 'one'].join('-')
const OTHER = ['upstream', 'secret', 'two'].join('-')

async function credential(
  from: From,
  more: Partial<CredentialConfig> & { env?: Record<string, string>; now?: () => number } = {},
) {
  const { env = {}, now = Date.now, ...config } = more
  open = await openCredential(
    { header: 'authorization', prefix: 'Bearer ', from, ...config },
    { connection: 'c', env, now, log: (...all) => (lines += JSON.stringify(all)) },
  )
  return open
}
const valueOf = ({ current }: Credential): string | undefined => {
  const now = current()
  return now.ok ? now.value?.value : undefined
}

describe('a credential comes from', () => {
  test('the environment', async () => {
    expect(valueOf(await credential({ env: 'KEY' }, { env: { KEY: SECRET } }))).toBe(
      `Bearer ${SECRET}`,
    )
  })

  test('a file, without the line’s end', async () => {
    await writeFile(join(folder, 'key'), `${SECRET}\n`)
    expect(valueOf(await credential({ file: join(folder, 'key') }))).toBe(`Bearer ${SECRET}`)
  })

  test('a command', async () => {
    expect(valueOf(await credential({ command: ['printf', '%s', SECRET] }))).toBe(
      `Bearer ${SECRET}`,
    )
  })

  test('a command that says how long it is good, and no longer', async () => {
    let time = Date.parse('2026-01-01T00:00:00Z')
    const json = JSON.stringify({ value: SECRET, expires_at: '2026-01-01T01:00:00Z' })
    const opened = await credential({ command: ['printf', '%s', json] }, { now: () => time })
    expect(valueOf(opened)).toBe(`Bearer ${SECRET}`)
    time += 3_600_000
    expect(opened.current()).toMatchObject({ ok: false, error: { code: 'credential_unavailable' } })
  })
})

describe('without a credential that can be used, requests are refused and nothing tells it', () => {
  test.each<[string, From, Record<string, string>]>([
    ['a variable that is not set', { env: 'KEY' }, {}],
    ['an empty one', { env: 'KEY' }, { KEY: ' \n' }],
    ['one that is too short to be redacted', { env: 'KEY' }, { KEY: 'short' }],
    ['one that would add a header', { env: 'KEY' }, { KEY: `${SECRET}\r\nx-admin: 1` }],
    ['a file that is not there', { file: '/nowhere/key' }, {}],
    ['a command that is not there', { command: ['/nowhere/key'] }, {}],
    ['a command that fails', { command: ['sh', '-c', `echo ${SECRET}; exit 1`] }, {}],
    [
      'a command that prints half an object',
      { command: ['printf', '%s', `{"value":"${SECRET}`] },
      {},
    ],
  ])('%s', async (_, from, env) => {
    const current = (await credential(from, { env })).current()
    expect(current).toMatchObject({ ok: false, error: { code: 'credential_unavailable' } })
    expect(JSON.stringify(current) + lines).not.toContain(SECRET)
  })
})

describe('rotation', () => {
  test('a file that is replaced is read again; what was begun keeps the old one', async () => {
    const path = join(folder, 'key')
    await writeFile(path, SECRET)
    const opened = await credential({ file: path })
    const running = opened.current()
    await writeFile(`${path}.new`, OTHER)
    await rename(`${path}.new`, path)
    await expect.poll(() => valueOf(opened), { timeout: 10_000 }).toBe(`Bearer ${OTHER}`)
    expect(running).toMatchObject({
      ok: true,
      value: { value: `Bearer ${SECRET}`, literals: [SECRET] },
    })
    expect(lines).not.toContain(SECRET)
    expect(lines).not.toContain(OTHER)
  })

  test('a file that is taken away takes the credential with it', async () => {
    const path = join(folder, 'key')
    await writeFile(path, SECRET)
    const opened = await credential({ file: path })
    await rm(path)
    await expect.poll(() => opened.current().ok, { timeout: 10_000 }).toBe(false)
  })

  test('a command is asked again on schedule', async () => {
    const script = join(folder, 'key.sh')
    await writeFile(script, `#!/bin/sh\ncat ${join(folder, 'value')}\n`)
    await chmod(script, 0o700)
    await writeFile(join(folder, 'value'), SECRET)
    const opened = await credential({ command: [script] }, { refresh_s: 1 })
    expect(valueOf(opened)).toBe(`Bearer ${SECRET}`)
    await writeFile(join(folder, 'value'), OTHER)
    await expect.poll(() => valueOf(opened), { timeout: 10_000 }).toBe(`Bearer ${OTHER}`)
  })
})
