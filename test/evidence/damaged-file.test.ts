import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linesOf, readExport } from '../../pdp/evidence/export-format.ts'
import { parseVerifierKey } from '../../pdp/evidence/note.ts'
import { exitCodeOf } from '../../scripts/evidence/report.ts'
import { verifyExport } from '../../scripts/evidence/verify.ts'
import { verifyAgain } from './second-verifier.ts'

const VKEY = 'countersign.example/test-log+069cb250+AQSqHdukqF7AAumRSwpqXAp0XC2x2MmrpeBYvXj8Rw27'

/** `npm run test:evidence` leaves nothing out. */
const EVERY = process.env['COUNTERSIGN_MUTATIONS'] === undefined ? 7 : 1

let folder: string
let plain: Buffer
let anchor: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-damaged-'))
  plain = await readFile('docs/evidence-example.jsonl')
  const [head = ''] = plain.toString().split('\n')
  anchor = (JSON.parse(head) as { checkpoint: string }).checkpoint
})
afterAll(() => rm(folder, { recursive: true }))

/** What both verifiers say; they agree. @returns the exit code. */
async function verified(file: Buffer): Promise<number> {
  const path = join(folder, 'export.gz')
  await writeFile(path, file)
  return both(readExport(path), file)
}

async function both(lines: AsyncIterable<string>, file: Buffer): Promise<number> {
  const key = parseVerifierKey(VKEY)
  if (!key.ok) throw new Error(key.error)
  const report = await verifyExport(lines, { keys: [key.value], anchors: [anchor] })
  const { problems, freshness } = verifyAgain(file, [VKEY], [anchor])
  expect(problems.length > 0).toBe(report.problem_count > 0)
  // Of a file with problems it says nothing; one reads as far as it goes, the other not at all.
  if (problems.length === 0) expect(freshness === 'proven').toBe(report.freshness === 'anchored')
  return exitCodeOf(report)
}

async function* once(bytes: Buffer) {
  yield bytes
}

/** All that a file says and a signature vouches for: leaves, and the bytes behind them. */
const proven = (bytes: Buffer): string[] =>
  bytes
    .toString()
    .split('\n')
    .filter((line) => /^\{"(index|sealed|block)/.test(line))

/** Sealed bytes may be left out; nothing else may differ. */
function expectSame(bytes: Buffer): void {
  const original = proven(plain)
  const now = proven(bytes)
  const leaves = (lines: readonly string[]) => lines.filter((line) => line.startsWith('{"index'))
  expect(leaves(now)).toEqual(leaves(original))
  expect(original).toEqual(expect.arrayContaining(now))
}

describe('an export that was damaged proves nothing else than it did', () => {
  test('cut at any byte of the compressed file', async () => {
    const file = gzipSync(plain)
    for (let at = 0; at < file.length; at += EVERY)
      expect(await verified(file.subarray(0, at)), `cut at ${at}`).toBe(1)
    expect(await verified(file)).toBe(0)
  }, 300_000)

  test('cut at any byte of its text, and compressed again', async () => {
    for (let at = 0; at < plain.length - 1; at += EVERY) {
      const cut = plain.subarray(0, at)
      expect(await both(linesOf(once(cut)), gzipSync(cut, { level: 1 })), `cut at ${at}`).toBe(1)
    }
    // A newline says nothing.
    const whole = plain.subarray(0, -1)
    expect(await both(linesOf(once(whole)), gzipSync(whole))).toBe(0)
  }, 300_000)

  test('with any line taken out, doubled or moved', async () => {
    const lines = plain.toString().trimEnd().split('\n')
    for (const [at, line] of lines.entries())
      for (const put of [[], [line, line]]) {
        const bytes = Buffer.from(`${lines.toSpliced(at, 1, ...put).join('\n')}\n`)
        const code = await both(linesOf(once(bytes)), gzipSync(bytes))
        // Sealed bytes and checkpoints in between may be fewer, and say the same twice.
        const harmless = line.startsWith('{"sealed') || line.startsWith('{"checkpoint')
        if (!harmless || code !== 0) expect(code, `${line.slice(0, 20)} ${put.length}`).toBe(1)
      }
  })

  test('with any bits of the compressed file flipped', async () => {
    const file = gzipSync(plain)
    for (let bit = 0; bit < file.length * 8; bit += EVERY) {
      const flipped = Buffer.from(file)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const code = await verified(flipped)
      if (code !== 1) expectSame(gunzipSync(flipped))
    }
  }, 300_000)

  test('with bits of its text flipped', async () => {
    const bit = fc.nat(plain.length * 8 - 1)
    const bits = fc.oneof(
      bit.map((one) => [one]),
      fc.array(bit, { minLength: 1, maxLength: 8 }),
    )
    await fc.assert(
      fc.asyncProperty(bits, async (all) => {
        const flipped = Buffer.from(plain)
        for (const at of all) flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7))
        const code = await both(linesOf(once(flipped)), gzipSync(flipped, { level: 1 }))
        if (code !== 1) expectSame(flipped)
      }),
      { numRuns: 7000 / EVERY },
    )
  }, 300_000)
})

describe('the second verifier as a program', () => {
  const run = (...args: string[]) =>
    new Promise<number>((done) => {
      execFile(process.execPath, ['test/evidence/second-verifier.ts', ...args], (error) =>
        done(error ? Number(error.code) : 0),
      )
    })

  test('ends with the codes of the format', async () => {
    const [path, other, anchors] = ['whole.gz', 'cut.gz', 'anchors'].map((name) =>
      join(folder, name),
    ) as [string, string, string]
    await writeFile(path, gzipSync(plain))
    await writeFile(other, gzipSync(plain.subarray(0, -30)))
    await writeFile(anchors, `\n\n${anchor}`)
    expect(await run(path, VKEY, anchors)).toBe(0)
    expect(await run(path, VKEY)).toBe(5)
    expect(await run(other, VKEY, anchors)).toBe(1)
    expect(await run(path, 'no-key')).toBe(2)
    expect(await run(join(folder, 'nothing'), VKEY)).toBe(2)
    await writeFile(anchors, 'nothing of the kind')
    expect(await run(path, VKEY, anchors)).toBe(1)
  })
})
