import { execFile, spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  alive,
  clear,
  CLI,
  descendants,
  place,
  type Place,
  run,
  start,
  type Started,
} from './running.ts'

let where: Place
let it: Started
beforeAll(async () => {
  where = await place()
  it = await start(where)
})
afterAll(async () => {
  await it.end('SIGKILL')
  await clear(where)
})

const call = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(it.urls.pep + path, {
    ...init,
    headers: { authorization: `Bearer ${it.token}`, 'content-type': 'application/json' },
  })

test('what is started answers, with stand-ins that say so', async () => {
  expect(Object.keys(it.stand_ins).sort()).toEqual(['claude', 'customers'])
  const response = await call('/customers/customers/c-1')
  expect(response.status).toBe(200)
  expect(response.headers.get('x-countersign-stand-in')).toBe('customers')
  const text = await response.text()
  expect(text).toContain('Ada Example')
  expect(text).not.toContain('ada.example@')
})

test('a second start on the same folder is refused, and the first goes on', async () => {
  await expect(start(where)).rejects.toThrow('is in use by another process')
  expect((await call('/customers/customers')).status).toBe(200)
})

test('token gets another token for the demo agent', async () => {
  const { stdout, code } = await run(['token', '--folder', where.folder])
  expect(code).toBe(0)
  const response = await fetch(`${it.urls.pep}/customers/customers`, {
    headers: { 'x-api-key': stdout.trim() },
  })
  expect(response.status).toBe(200)
})

type Finding = {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly not_inspected?: readonly string[]
}

test('doctor says what is reachable, unknown and not inspected, and that all is well', async () => {
  const asked = {
    model: 'claude-sonnet-4-5',
    max_tokens: 10,
    novelty: true,
    messages: [{ role: 'user', content: [{ type: 'hologram', text: 'Hello' }] }],
  }
  await call('/claude/v1/messages', {
    method: 'POST',
    body: JSON.stringify(asked),
  })
  const args = [
    'doctor',
    '--json',
    '--config',
    where.config,
    '--pdp',
    it.urls.pdp,
    '--pep',
    it.urls.pep,
  ]
  const { stdout, code } = await run(args)
  const findings = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding)
  expect(findings.filter(({ ok }) => !ok)).toEqual([])
  expect(code).toBe(0)
  const unknown = findings.find(({ name }) => name === 'unknown, claude')
  expect(unknown?.detail).toContain('1 fields')
  expect(unknown?.detail).toContain('1 blocks')
  const claude = findings.find(({ name }) => name === 'connection claude')
  expect(claude?.not_inspected?.length).toBeGreaterThan(0)
})

test('doctor says what to look at when nothing runs', async () => {
  const args = [
    'doctor',
    '--json',
    '--config',
    where.config,
    '--pdp',
    'http://127.0.0.1:1',
    '--pep',
    'http://127.0.0.1:1',
  ]
  const { stdout, code } = await run(args)
  expect(code).toBe(1)
  expect(stdout).toContain('is it started?')
})

test('commands that are wrong exit with 2 and say what is right', async () => {
  for (const args of [
    ['bogus'],
    ['start', 'both'],
    ['start', '--config', '/nowhere.yaml'],
    ['approvals', 'approve'],
  ]) {
    const { code, stderr } = await run(args)
    expect(code, args.join(' ')).toBeGreaterThan(0)
    expect(stderr).not.toBe('')
    expect(stderr).not.toContain('    at ') // no stack is shown to people
  }
})

describe('every printed command gives what it promises', () => {
  let printed: Place
  let pid: number | undefined
  let output = ''
  beforeAll(async () => {
    printed = await place()
    const args = [
      CLI,
      'start',
      '--issuer-port',
      '0',
      '--config',
      printed.config,
      '--folder',
      printed.folder,
    ]
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' },
    })
    pid = child.pid
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    while (!output.includes('Ctrl-C')) await new Promise((done) => setTimeout(done, 50))
  })
  afterAll(async () => {
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    await clear(printed)
  })

  const commandAfter = (comment: string): string => {
    const lines = output.split('\n').map((line) => line.trim())
    const at = lines.findIndex((line) => line.startsWith('#') && line.includes(comment))
    return lines[at + 1] ?? ''
  }
  const bash = (command: string): Promise<string> => {
    const token = output.split('\n').find((line) => line.includes('export TOKEN=')) ?? ''
    return new Promise((done) => {
      execFile('bash', ['-c', `${token.trim()}\n${command}`], (_, stdout) => done(stdout))
    })
  }

  test('allowed', async () => {
    expect(await bash(commandAfter('allowed'))).toContain('"id":"c-1"')
  })
  test('denied', async () => {
    expect(await bash(commandAfter('denied'))).toContain('"code":"denied"')
  })
  test('masked', async () => {
    const text = await bash(commandAfter('masked'))
    expect(text).toContain('[REDACTED:us_ssn]')
    expect(text).toContain('[email:*@example.com]')
  })
  test('a tool call is refused while the reply streams', async () => {
    const text = await bash(commandAfter('rm -fr'))
    expect(text).toContain('Countersign refused the tool call Bash')
    expect(text).not.toContain('"tool_use"')
  })
})

describe('however it ends, nothing of it stays', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('%s', async (signal) => {
    const own = await place()
    const one = await start(own)
    const children = await descendants(one.pid)
    expect(children.length).toBeGreaterThan(1)
    const code = await one.end(signal)
    if (signal !== 'SIGKILL') expect(code).toBe(0)
    await expect.poll(() => children.filter(alive), { timeout: 15_000 }).toEqual([])
    await clear(own)
  })
})
