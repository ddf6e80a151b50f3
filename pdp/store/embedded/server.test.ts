import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore } from '../open.ts'
import { reachable } from './account.ts'
import { startEmbedded } from './server.ts'

const CHILD = fileURLToPath(new URL('testing-child.ts', import.meta.url))
const quiet = () => undefined

let base: string
let folder: string
let children: ChildProcess[]
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'countersign-embedded-'))
  // As `.countersign` is: closed to every other account.
  chmodSync(base, 0o700)
  folder = join(base, 'store')
  mkdirSync(folder, { mode: 0o700 })
  children = []
})
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.stdin?.end()
    await once(child, 'exit')
  }
  rmSync(base, { recursive: true, force: true })
})

/** @returns the child and the first line it says. */
async function start(what: 'server' | 'store'): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [CHILD, what, folder], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  children.push(child)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, line }
}

function running(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A dead child that nobody waited for yet is not running.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function guardOf(server: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${server}/status`, 'utf8'))?.[1])
}

describe.skipIf(process.platform !== 'linux')('the embedded server', () => {
  test('ends when its process is killed with SIGKILL, in order, and the next one starts', async () => {
    const { child, line } = await start('server')
    const pid = Number(line)
    expect(running(pid)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await expect.poll(() => running(pid), { timeout: 10_000 }).toBe(false)
    const next = await startEmbedded(folder, quiet)
    await next.stop()
  })

  test('that lost its guard and its process is stopped by the next one on the folder', async () => {
    const { child, line } = await start('server')
    const pid = Number(line)
    const guard = guardOf(pid)
    process.kill(guard, 'SIGSTOP')
    child.kill('SIGKILL')
    await once(child, 'exit')
    process.kill(guard, 'SIGKILL')
    const next = await startEmbedded(folder, quiet)
    expect(running(pid)).toBe(false)
    await next.stop()
  })

  test('starts again when it dies, and what was committed is there', async () => {
    const server = await startEmbedded(folder, quiet)
    const sql = postgres(server.url, { max: 1, onnotice: quiet, backoff: () => 0.1 })
    await sql`create table kept (x integer)`
    await sql`insert into kept values (7)`
    const pid = Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
    process.kill(pid, 'SIGKILL')
    const read = () => sql`select x from kept`.catch(() => 'away')
    await expect.poll(read, { timeout: 60_000 }).toEqual([{ x: 7 }])
    await sql.end()
    await server.stop()
  })

  test('is one to a folder: a second process is told who has it', async () => {
    const { child } = await start('store')
    const second = openStore({ folder, log: quiet })
    await expect(second).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(second).rejects.toThrow(`in use by another process (process ${child.pid})`)
  })

  test('is not misled by a file that names the process of another program', async () => {
    await (await startEmbedded(folder, quiet)).stop()
    const stale = [process.pid, '/elsewhere', 1, 5432, '', '127.0.0.1', '', 'ready'].join('\n')
    writeFileSync(join(folder, 'data', 'postmaster.pid'), stale)
    const server = await startEmbedded(folder, quiet)
    await server.stop()
  })

  test('keeps its data and password to itself, and has a password', async () => {
    const server = await startEmbedded(folder, quiet)
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700)
    expect(statSync(join(folder, 'superuser.password')).mode & 0o777).toBe(0o600)
    const wrong = new URL(server.url)
    wrong.password = 'guessed'
    const sql = postgres(wrong.href, { max: 1 })
    await expect(sql`select 1`).rejects.toMatchObject({ code: '28P01' })
    await sql.end()
    await server.stop()
  })

  test('gets nothing of our environment, which holds credentials', async () => {
    process.env['COUNTERSIGN_TEST_SECRET'] = 'in the environment'
    const server = await startEmbedded(folder, quiet)
    delete process.env['COUNTERSIGN_TEST_SECRET']
    const pid = readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('COUNTERSIGN_TEST_SECRET')
    await server.stop()
  })

  test('does not begin anew when its password is lost', async () => {
    await (await startEmbedded(folder, quiet)).stop()
    rmSync(join(folder, 'superuser.password'))
    await expect(startEmbedded(folder, quiet)).rejects.toThrow('superuser.password is missing')
  })
})

test('a folder is reachable only through folders that let the account pass', () => {
  const account = { uid: 54_321, gid: 54_321 }
  expect(reachable(join(folder, 'data'), account)).toBe(false)
  chmodSync(folder, 0o711)
  expect(reachable(join(folder, 'data'), account)).toBe(false)
  chmodSync(base, 0o711)
  expect(reachable(join(folder, 'data'), account)).toBe(true)
})
