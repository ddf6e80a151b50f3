import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeArchive } from '../archive.ts'
import { createLastKnownGood } from '../last-known-good.ts'
import { bundleConfig } from './config.ts'
import { fileSource } from './file.ts'
import { folderSource } from './folder.ts'
import { httpSource } from './http.ts'
import type { BundleSource } from './source.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-sources-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const archive = (text: string): Uint8Array =>
  writeArchive(new Map([['data.json', Buffer.from(text)]]))
const signal = (): AbortSignal => AbortSignal.timeout(10_000)

async function read(source: BundleSource, known?: string) {
  const fetched = await source.read(known, signal())
  if (fetched === 'unchanged') throw new Error('unchanged')
  return {
    text: Buffer.from(fetched.files.get('data.json') ?? []).toString(),
    digest: fetched.digest,
  }
}

describe('a file', () => {
  test('is read again when it is replaced, and is unchanged until then', async () => {
    const path = join(folder, 'one.tar.gz')
    writeFileSync(path, archive('{"a":1}'))
    const source = fileSource('one', path)
    const { digest } = await read(source)
    expect(await source.read(digest, signal())).toBe('unchanged')
    const waiting = source.wait(signal(), 0)
    writeFileSync(`${path}.new`, archive('{"a":2}'))
    renameSync(`${path}.new`, path)
    await waiting
    expect((await read(source, digest)).text).toBe('{"a":2}')
  })

  test('that was changed between reading and waiting is noticed', async () => {
    const path = join(folder, 'raced.tar.gz')
    writeFileSync(path, archive('{}'))
    const source = fileSource('raced', path)
    await read(source)
    writeFileSync(path, archive('{"a":3}'))
    await source.wait(signal(), 0)
  })

  test.each([
    ['is not there', undefined, 'BUNDLE_READ'],
    ['is no archive', Buffer.from('x'), 'BUNDLE_ARCHIVE'],
    ['is cut off', archive('{}').slice(0, 40), 'BUNDLE_ARCHIVE'],
  ])('that %s is refused', async (name, bytes, code) => {
    const path = join(folder, `${name}.tar.gz`)
    if (bytes) writeFileSync(path, bytes)
    await expect(fileSource('x', path).read(undefined, signal())).rejects.toMatchObject({ code })
  })
})

describe('a folder', () => {
  const make = (name: string, files: Readonly<Record<string, string>>): string => {
    const root = join(folder, name)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return root
  }

  test('is its files, at any depth, and is read again when one changes', async () => {
    const root = make('whole', { 'data.json': '{"a":1}', 'a/b/rules.rego': 'package a' })
    const source = folderSource('whole', root)
    const fetched = await source.read(undefined, signal())
    expect(fetched !== 'unchanged' && [...fetched.files.keys()]).toEqual([
      'a/b/rules.rego',
      'data.json',
    ])
    const { digest } = await read(source)
    const waiting = source.wait(signal(), 0)
    writeFileSync(join(root, 'data.json'), '{"a":22}')
    await waiting
    expect((await read(source, digest)).text).toBe('{"a":22}')
  })

  test('with a link that leads out of it is refused', async () => {
    const root = make('linked', { 'data.json': '{}' })
    writeFileSync(join(folder, 'outside.rego'), 'package evil')
    symlinkSync(join(folder, 'outside.rego'), join(root, 'evil.rego'))
    await expect(folderSource('linked', root).read(undefined, signal())).rejects.toThrow(
      'leads out',
    )
  })

  test('that is not there is refused', async () => {
    await expect(
      folderSource('x', join(folder, 'none')).read(undefined, signal()),
    ).rejects.toMatchObject({ code: 'BUNDLE_READ' })
  })
})

describe('a URL', () => {
  async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = createServer(handle)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const url = new URL(
      `http://127.0.0.1:${(server.address() as AddressInfo).port}/bundle.tar.gz?secret=1`,
    )
    return { url, close: () => server.close() }
  }
  const polling = { min_s: 0.01, max_s: 0.02 }

  test('is asked with the ETag of what runs, and with the token', async () => {
    const asked: (string | undefined)[] = []
    let version = '{"a":1}'
    const { url, close } = await serve((request, response) => {
      asked.push(request.headers['if-none-match'])
      expect(request.headers.authorization).toBe('Bearer token-1')
      const etag = `"${version.length}"`
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
      else response.writeHead(200, { etag }).end(archive(version))
    })
    const source = httpSource({ name: 'h', url, polling, token: () => Promise.resolve('token-1') })
    expect(source.where).not.toContain('secret')
    const { digest } = await read(source)
    expect(await source.read(digest, signal())).toBe('unchanged')
    // A version that was refused does not run: it is fetched again, not taken as had.
    expect((await read(source, 'another digest')).text).toBe(version)
    version = '{"a":222}'
    expect((await read(source, digest)).text).toBe(version)
    expect(asked).toEqual([undefined, '"7"', undefined, '"7"'])
    close()
  })

  test.each([
    ['answers 500', (response: ServerResponse) => response.writeHead(500).end()],
    [
      'leads elsewhere',
      (response: ServerResponse) =>
        response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
    ],
    ['says 304 to nothing', (response: ServerResponse) => response.writeHead(304).end()],
    [
      'breaks off',
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-length': '1000' }).write('x', () => response.destroy()),
    ],
    ['is no archive', (response: ServerResponse) => response.writeHead(200).end('<html>')],
  ])('that %s is refused', async (_, handle) => {
    const { url, close } = await serve((_request, response) => void handle(response))
    await expect(
      httpSource({ name: 'h', url, polling }).read(undefined, signal()),
    ).rejects.toMatchObject({
      name: 'BundleError',
    })
    close()
  })

  test('that never answers is given up', async () => {
    const { url, close } = await serve(() => {})
    const source = httpSource({ name: 'h', url, polling, timeout_ms: 50 })
    await expect(source.read(undefined, signal())).rejects.toMatchObject({ code: 'BUNDLE_READ' })
    close()
  })

  test('without TLS is for loopback, unless somebody says so in so many words', () => {
    expect(bundleConfig.safeParse({ url: 'http://example.com/b.tar.gz' }).success).toBe(false)
    expect(bundleConfig.safeParse({ url: 'http://127.0.0.1/b.tar.gz' }).success).toBe(true)
    expect(
      bundleConfig.safeParse({ url: 'http://example.com/b', dangerously_allow_plain_http: true })
        .success,
    ).toBe(true)
    expect(bundleConfig.safeParse({ url: 'https://example.com/b', file: 'x' }).success).toBe(false)
  })
})

test('what was kept comes back as it was, and damaged it is refused', async () => {
  const kept = createLastKnownGood(join(folder, 'kept'), 'a/b')
  expect(await kept.load()).toBeUndefined()
  const long = `policies/${'x'.repeat(300)}.rego`
  const files = new Map([
    ['data.json', Buffer.from('{"a":1}')],
    [long, Buffer.from('package x')],
  ])
  await kept.save({ files, digest: 'd'.repeat(64) })
  const back = await kept.load()
  expect(back?.digest).toBe('d'.repeat(64))
  expect(Buffer.from(back?.files.get('data.json') ?? []).toString()).toBe('{"a":1}')
  expect(Buffer.from(back?.files.get(long) ?? []).toString()).toBe('package x')
  const path = join(folder, 'kept', 'a%2Fb.bundle')
  const bytes = readFileSync(path)
  for (const at of [0, 70, 140, bytes.length - 1]) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] ?? 0) ^ 1
    writeFileSync(path, damaged)
    if (at === 0) expect((await kept.load())?.digest).not.toBe('d'.repeat(64))
    else await expect(kept.load()).rejects.toThrow('is damaged')
  }
  await kept.remove()
  expect(await kept.load()).toBeUndefined()
})
