import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Report } from '../../backtest/report.ts'
import { createGenerator, endLine, headerLine } from '../../backtest/testing.ts'
import { sinceMs } from '../since.ts'

const BUNDLE = 'bundles/default.tar.gz'
const COUNT = 600

let folder: string
let record: Buffer
let defective: Buffer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-backtest-command-'))
  const generator = await createGenerator(BUNDLE)
  const lines = [
    headerLine,
    JSON.stringify({ policy: generator.recordedPolicy }),
    ...generator.decisions(COUNT, { from_ms: Date.now() - 3_600_000 }),
    endLine(COUNT),
  ]
  record = gzipSync(`${lines.join('\n')}\n`)
  const spoilt = lines.map((line, at) =>
    at === 9 ? line.replace('"message":"', '"message":"not ') : line,
  )
  expect(spoilt[9]).not.toBe(lines[9])
  defective = gzipSync(`${spoilt.join('\n')}\n`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      [resolve('scripts/countersign.ts'), 'policy', 'backtest', ...args],
      { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'decisions.jsonl.gz')
  await writeFile(path, bytes)
  return path
}

describe('policy backtest', { timeout: 120_000 }, () => {
  test('of the same policy exits with 0, in text, JSON and Markdown', async () => {
    const from = await fileOf(record)
    const text = await run([BUNDLE, '--from', from, '--fail-on', 'change'])
    expect(text).toMatchObject({ code: 0, stderr: '' })
    expect(text.stdout).toContain(`0 change, ${COUNT} do not.`)
    const json = await run([BUNDLE, '--from', from, '--json'])
    expect(JSON.parse(json.stdout) as Report).toMatchObject({ decisions: COUNT, unchanged: COUNT })
    const markdown = await run([BUNDLE, '--from', from, '--markdown'])
    expect(markdown.stdout).toContain(`none of ${COUNT} recorded decisions changes`)
  })

  test('exits with 1 for a defect, whatever may change', async () => {
    const ended = await run([BUNDLE, '--from', await fileOf(defective), '--fail-on', 'none'])
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.stdout).toContain('DEFECTS')
    expect(ended.stderr).toContain('the record has defects')
  })

  test('exits with 1 for a record that is cut, and where nothing could be compared', async () => {
    const cut = await run([BUNDLE, '--from', await fileOf(record.subarray(0, -500))])
    expect(cut).toMatchObject({ code: 1, stdout: '' })
    expect(cut.stderr).toContain('cut off')
    const text = gunzipSync(record)
      .toString()
      .split('\n')
      .filter((line) => !line.startsWith('{"policy"'))
      .join('\n')
    const from = await fileOf(gzipSync(text))
    expect(await run([BUNDLE, '--from', from])).toMatchObject({ code: 0 })
    const held = await run([BUNDLE, '--from', from, '--fail-on', 'new-allow'])
    expect(held).toMatchObject({ code: 1 })
    expect(held.stderr).toContain('not one decision could be compared')
  })

  test.each([
    [['none.tar.gz'], 'none.tar.gz'],
    [[BUNDLE, '--since', 'yesterday'], '--since yesterday'],
    [[BUNDLE, '--examples', '-1'], '--examples'],
    [[BUNDLE, '--fail-on', 'all'], 'all'],
  ])('%j is a wrong argument', async (args, said) => {
    const ended = await run([...args, '--from', 'nowhere'])
    expect(ended).toMatchObject({ code: 2 })
    expect(ended.stderr).toContain(said)
  })
})

describe('policy backtest of a running service', { timeout: 120_000 }, () => {
  let server: Server
  let answer: (url: URL) => { status: number; body: Uint8Array; breaks?: boolean }
  let asked:
    | { url: URL; authorization: string | undefined; sent: Record<string, unknown> }
    | undefined
  beforeAll(async () => {
    server = createServer((incoming, outgoing) => {
      const url = new URL(incoming.url ?? '/', 'http://pdp')
      void text(incoming).then((body) => {
        const sent = JSON.parse(body) as Record<string, unknown>
        asked = { url, authorization: incoming.headers.authorization, sent }
        const { status, body: bytes, breaks = false } = answer(url)
        outgoing.writeHead(status, { 'content-type': 'application/x-ndjson' })
        if (!breaks) outgoing.end(bytes)
        else outgoing.write(bytes, () => outgoing.destroy())
      })
    })
    await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  })
  afterAll(() => new Promise((done) => void server.close(done)))

  const fetching = (...args: readonly string[]): Promise<Ended> => {
    const { port } = server.address() as AddressInfo
    return run([BUNDLE, '--pdp', `http://127.0.0.1:${port}`, ...args], {
      COUNTERSIGN_TOKEN: 'person',
      TMPDIR: folder,
    })
  }

  test('asks for the last seven days, and leaves nothing of them behind', async () => {
    answer = () => ({ status: 200, body: gunzipSync(record) })
    const before = Date.now() - 7 * 86_400_000
    const ended = await fetching('--json')
    expect(ended.stderr).toBe('')
    expect(JSON.parse(ended.stdout) as Report).toMatchObject({ unchanged: COUNT })
    expect(asked?.authorization).toBe('Bearer person')
    expect(asked?.url.pathname).toBe('/v1/evidence/decisions')
    expect(Number(asked?.sent['since_ms'])).toBeGreaterThanOrEqual(before)
    expect(asked?.sent).toMatchObject({ bodies: false, reason: 'policy backtest' })
    expect((await readdir(folder)).filter((name) => name.startsWith('countersign-'))).toEqual([])
    const why = ['--reason', 'PR 12']
    await fetching('--session', 's 1', '--bodies', '--since', '2026-01-01', ...why)
    expect(asked?.sent).toEqual({
      since_ms: Date.UTC(2026, 0, 1),
      session: 's 1',
      bodies: true,
      reason: 'PR 12',
    })
  })

  test('fails when the answer breaks off, and says what the service said', async () => {
    const body = gunzipSync(record)
    answer = () => ({ status: 200, body: body.subarray(0, -100), breaks: true })
    expect(await fetching()).toMatchObject({ code: 1, stdout: '' })
    answer = () => ({
      status: 403,
      body: Buffer.from(JSON.stringify({ error: { message: 'not for you' } })),
    })
    const refused = await fetching()
    expect(refused).toMatchObject({ code: 3, stderr: 'countersign: not for you\n' })
  })
})

test('since is a span or a date', () => {
  const now = Date.UTC(2026, 0, 10)
  expect(sinceMs('7d', now)).toBe(Date.UTC(2026, 0, 3))
  expect(sinceMs('12h', now)).toBe(now - 43_200_000)
  expect(sinceMs('2026-01-01', now)).toBe(Date.UTC(2026, 0, 1))
  expect(sinceMs('2026-01-01T06:00:00Z', now)).toBe(Date.UTC(2026, 0, 1, 6))
  expect(sinceMs(undefined, now)).toBeUndefined()
  for (const text of ['', '7', '7w', '-7d', '1e3d', 'now', '5'])
    expect(() => sinceMs(text, now)).toThrow('--since')
})
