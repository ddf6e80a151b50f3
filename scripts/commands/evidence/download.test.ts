import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { download } from './download.ts'

const lines = '{"fact":"078-05-1120"}\n{"end":{"decisions":1}}\n'
let sent = lines
const server = createServer((request, response) => {
  request.resume().on('end', () => response.end(sent))
})
let pdp: string
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-download-'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  pdp = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  vi.stubEnv('COUNTERSIGN_TOKEN', 'a-token')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  server.close()
  await rm(folder, { recursive: true })
})

test('what comes is in no file that somebody else made, and for its owner alone', async () => {
  const out = join(folder, 'week.jsonl.gz')
  // In a folder that others write to, as they may have guessed the name.
  await writeFile(`${out}.part`, '', { mode: 0o666 })
  await writeFile(out, '', { mode: 0o666 })
  expect(await download(pdp, '/v1/evidence/decisions', {}, out)).toBe(2)
  expect(gunzipSync(await readFile(out)).toString()).toBe(lines)
  expect((await stat(out)).mode & 0o777).toBe(0o600)
  expect(await readFile(`${out}.part`, 'utf8')).toBe('')
})

test('what breaks off leaves nothing', async () => {
  sent = '{"fact":"078-05-1120"}\n'
  const out = join(folder, 'cut.jsonl.gz')
  await expect(download(pdp, '/v1/evidence/decisions', {}, out)).rejects.toThrow('broke off')
  expect((await readdir(folder)).filter((name) => name.startsWith('cut'))).toEqual([])
})
