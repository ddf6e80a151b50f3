import { gunzipSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readArchive, writeArchive } from './archive.ts'
import { BundleError } from './errors.ts'

const MOST = 1024 * 1024
const files = new Map([
  ['a.rego', Buffer.from('package a\n')],
  ['b/data.json', Buffer.from('{}')],
  ['c', Buffer.alloc(1500, 'x')],
])
const tar = gunzipSync(writeArchive(files))

/** What is read, or the code of why not; anything else that is thrown fails the test. */
function read(gzipped: Uint8Array): ReadonlyMap<string, Uint8Array> | string {
  try {
    return readArchive(gzipped, MOST)
  } catch (error) {
    if (error instanceof BundleError) return error.code
    throw error
  }
}

type Entry = { readonly name: string; readonly type?: string; readonly content?: string }

/** A tar of entries as they are given, with right checksums. */
function archive(...entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, type = '0', content = '' }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(`${Buffer.byteLength(content).toString(8).padStart(11, '0')}\0`, 124)
    header.write('        ', 148)
    header.write(type, 156)
    header.write('ustar\u000000', 257, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const padded = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512)
    padded.write(content)
    return [header, padded]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

/** A record of a pax header, with its own length in front. */
function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length) length += 1
  return `${length}${rest}`
}

test('what is written is read again, whatever the contents', () => {
  const name = fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8}){0,3}$/)
  fc.assert(
    fc.property(fc.dictionary(name, fc.uint8Array({ maxLength: 2000 })), (contents) => {
      const wanted = new Map(
        Object.entries(contents).map(([path, one]) => [path, Buffer.from(one)]),
      )
      const got = new Map(readArchive(writeArchive(wanted), MOST * 100))
      expect([...got.keys()]).toEqual([...wanted.keys()].sort())
      for (const [path, one] of wanted) expect(Buffer.compare(one, got.get(path)!)).toBe(0)
    }),
    { numRuns: 50 },
  )
})

test('an archive that is cut off anywhere within its gzip is refused', () => {
  const whole = writeArchive(files)
  for (let at = 0; at < whole.length; at += 1)
    expect(read(whole.subarray(0, at)), `cut at ${at}`).toBe('BUNDLE_ARCHIVE')
})

test('a tar that was cut off and packed again is refused', () => {
  for (let at = 0; at < tar.length; at += 1)
    expect(read(gzipSync(tar.subarray(0, at), { level: 1 })), `cut at ${at}`).toBe('BUNDLE_ARCHIVE')
})

test('bytes changed in any header are refused, or read as files with plain names', () => {
  fc.assert(
    fc.property(fc.nat(tar.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(tar)
      changed[at] = byte
      const got = read(gzipSync(changed, { level: 1 }))
      if (typeof got === 'string') expect(got).toMatch(/^BUNDLE_/)
      else expect([...got.keys()]).toEqual([...files.keys()])
    }),
    { numRuns: 500 },
  )
})

describe('refused', () => {
  test.each<[string, Buffer]>([
    ['a path that leads out', archive({ name: '../x' })],
    ['a path that leads out further on', archive({ name: 'a/../../x' })],
    [
      'a long name that leads out',
      archive({ name: 'p', type: 'x', content: pax('path', '../x') }, { name: 'x' }),
    ],
    [
      'another size in an extended header',
      archive({ name: 'p', type: 'x', content: pax('size', '1') }, { name: 'x' }),
    ],
    [
      'an extended header that is no record',
      archive({ name: 'p', type: 'x', content: 'path=x' }, { name: 'x' }),
    ],
    [
      'an extended header that is longer than itself',
      archive({ name: 'p', type: 'x', content: '99 path=x\n' }, { name: 'x' }),
    ],
    ['a symbolic link', archive({ name: 'x', type: '2' })],
    ['a hard link', archive({ name: 'x', type: '1' })],
    ['a device', archive({ name: 'x', type: '3' })],
    ['a global header', archive({ name: 'x', type: 'g', content: pax('path', 'y') })],
    ['a name of GNU', archive({ name: 'x', type: 'L', content: 'y' }, { name: 'x' })],
    ['one name twice', archive({ name: 'x' }, { name: 'x', content: 'other' })],
    ['one name in two spellings', archive({ name: 'x' }, { name: './x' })],
    ['one name in two spellings, from the root', archive({ name: '/x' }, { name: './x' })],
    ['a name with a control character', archive({ name: 'a\nb' })],
    ['a backslash', archive({ name: 'a\\b' })],
  ])('%s', (_, bytes) => {
    expect(read(bytes)).toBe('BUNDLE_ARCHIVE')
  })

  test('more files than anybody has', () => {
    const entries = Array.from({ length: 10_001 }, (_, at) => ({ name: `f${at}` }))
    expect(read(gzipSync(gunzipSync(archive(...entries)), { level: 1 }))).toBe('BUNDLE_TOO_LARGE')
  })

  test('more bytes than the limit, however small the file is', () => {
    expect(read(gzipSync(Buffer.alloc(MOST + 1)))).toBe('BUNDLE_TOO_LARGE')
  })
})
