import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BacktestError } from './format.ts'
import { fileSource, numbered, survey } from './read.ts'
import { createGenerator, endLine, type Generator, headerLine, sourceOf } from './testing.ts'

let folder: string
let generator: Generator
let text: string
const COUNT = 30
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-read-'))
  generator = await createGenerator()
  const policy = JSON.stringify({ policy: generator.recordedPolicy })
  // The policy last but one, so that cuts fall into decisions more often than into its archive.
  const lines = [headerLine, ...generator.decisions(COUNT), policy, endLine(COUNT)]
  text = `${lines.join('\n')}\n`
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function fileOf(bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, 'record')
  await writeFile(path, bytes)
  return path
}

const codeOf = async (path: string): Promise<string> => {
  try {
    await survey(fileSource(path))
    return 'ok'
  } catch (error) {
    if (error instanceof BacktestError) return error.code
    throw error
  }
}

test('a file is read the same plain and in gzip, with and without a last newline', async () => {
  const wanted = { decisions: COUNT, newest: generator.policy.revision }
  for (const bytes of [text, text.trimEnd(), gzipSync(text)]) {
    const path = await fileOf(bytes)
    expect(await survey(fileSource(path))).toMatchObject(wanted)
    const lines = await Array.fromAsync(numbered(fileSource(path)), ([line]) => line)
    expect(lines.join('\n')).toBe(text.trimEnd())
  }
})

test('a file that is cut anywhere is named so', async () => {
  const packed = gzipSync(text)
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), async (at) => {
      // To the last character of the end line; the newline behind it says nothing.
      const plain = text.slice(0, Math.floor(at * (text.length - 1)))
      expect(['BACKTEST_CUT', 'BACKTEST_FORMAT', 'BACKTEST_LINE']).toContain(
        await codeOf(await fileOf(plain)),
      )
      if (plain.length > headerLine.length && !plain.includes('"policy":'))
        expect(await codeOf(await fileOf(plain))).toBe('BACKTEST_CUT')
      // The two first bytes say that it is gzip.
      const bytes = packed.subarray(0, 2 + Math.floor(at * (packed.length - 2)))
      expect(await codeOf(await fileOf(bytes))).toMatch('BACKTEST_CUT')
    }),
    { numRuns: 60 },
  )
})

test.each([
  ['nothing at all', '', 'BACKTEST_FORMAT'],
  ['something else', '{"format":"countersign-evidence","version":1}\n', 'BACKTEST_FORMAT'],
  [
    'a version to come',
    '{"format":"countersign-decisions","version":2,"bodies":false}\n',
    'BACKTEST_FORMAT',
  ],
  ['not JSON', 'x\n', 'BACKTEST_FORMAT'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x0a]), 'BACKTEST_FORMAT'],
  ['a gzip of which bytes are flipped', damaged(), 'BACKTEST_FORMAT'],
])('%s is refused', async (_, bytes, code) => {
  expect(await codeOf(await fileOf(bytes))).toBe(code)
})

function damaged(): Buffer {
  const bytes = gzipSync('{"format":'.repeat(1000))
  bytes.writeUInt8(bytes.readUInt8(20) ^ 0xff, 20)
  return bytes
}

test('a file that is not there is an error that names it', async () => {
  await expect(survey(fileSource(join(folder, 'none')))).rejects.toThrow(
    /none.*ENOENT|ENOENT.*none/,
  )
})

test('a decision that is left out, or one more, does not pass for the whole', async () => {
  const [one = '', two = ''] = [...generator.decisions(2)]
  const surveyed = (...lines: string[]) => survey(sourceOf(() => lines))
  await expect(surveyed(headerLine, one, endLine(2))).rejects.toThrow(/cut off: .* 2 .* 1/)
  await expect(surveyed(headerLine, one, two, endLine(1))).rejects.toThrow('cut off')
  await expect(surveyed(headerLine, one, endLine(1), two)).rejects.toThrow('after the end')
})
