import { createHash } from 'node:crypto'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leafHash } from '../../pdp/evidence/merkle/hash.ts'
import type { LeafBody } from '../../pdp/evidence/log-store.ts'
import { growRange } from '../../pdp/evidence/merkle/range.ts'
import { canonicalLeaf, type MemoryStore, testKey, testLeaf } from '../../pdp/evidence/testing.ts'
import { linesOf, readExport } from '../../pdp/evidence/export-format.ts'
import { splitNotes } from '../../pdp/evidence/note.ts'
import { exitCodeOf, type Report } from './report.ts'
import { KEY, ORIGIN, testLog, type TestLog } from './testing.ts'
import { verifyExport, type VerifyOptions } from './verify.ts'

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}
const verify = (lines: readonly string[], options: Partial<VerifyOptions> = {}): Promise<Report> =>
  verifyExport(each(lines), { keys: [KEY.key], ...options })
const codes = ({ problems }: Report): string[] => problems.map(({ code }) => code)

/** A log of 60 leaves with checkpoints at 7, 20, 33 and 60. */
async function signedLog(): Promise<{ log: TestLog; anchor: string }> {
  const log = testLog()
  for (const count of [7, 13, 13, 27]) {
    await log.grow(count)
    await log.sign()
  }
  return { log, anchor: log.store.rows.checkpoints.at(-1)!.note }
}

describe('what is right is found right', () => {
  test('a whole log, with and without an anchor', async () => {
    const { log, anchor } = await signedLog()
    const lines = await log.lines()
    const report = await verify(lines, { anchors: [anchor] })
    expect(report).toMatchObject({
      origin: ORIGIN,
      leaves: 60,
      from: 0,
      size: 60,
      checkpoints: 4,
      problems: [],
      warnings: [],
      freshness: 'anchored',
      anchored_size: 60,
      keys: [{ vkey: KEY.key.vkey }],
    })
    expect(exitCodeOf(report)).toBe(0)
    const bare = await verify(lines)
    expect(bare).toMatchObject({ problems: [], freshness: 'unproven' })
    expect(exitCodeOf(bare)).toBe(5)
  })

  test('any part of any log, against any of its checkpoints', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.nat(),
        async (counts, since, pick) => {
          const log = testLog()
          for (const count of counts) {
            await log.grow(count)
            await log.sign()
          }
          const { checkpoints, head } = log.store.rows
          const anchor = checkpoints[pick % checkpoints.length]!
          const lines = await log.lines({
            since_ms: 1_700_000_000_000 + (since % (head.size + 1)),
            anchors: [anchor.size],
          })
          const report = await verify(lines, { anchors: [anchor.note] })
          expect(report).toMatchObject({
            problems: [],
            warnings: [],
            freshness: 'anchored',
            anchored_size: anchor.size,
          })
          expect(report.leaves).toBe(report.size - report.from)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('half an anchor beside a whole one is a remark, and alone a fault', async () => {
    const { log, anchor } = await signedLog()
    const lines = await log.lines()
    for (let cut = 1; cut < anchor.length - 2; cut += 3) {
      const kept = `\n\n${anchor.slice(0, cut)}\n\n${anchor}`
      const report = await verify(lines, { anchors: splitNotes(kept) })
      expect(report).toMatchObject({
        problems: [],
        freshness: 'anchored',
        warnings: [{ code: 'anchor_not_compared' }],
      })
      const alone = await verify(lines, { anchors: splitNotes(anchor.slice(0, cut)) })
      expect(alone).toMatchObject({ problems: [{ code: 'anchor_invalid' }], warnings: [] })
    }
  })

  test('an anchor older than the part cannot be compared without its proof, and says what to do', async () => {
    const { log } = await signedLog()
    const [oldest] = log.store.rows.checkpoints
    const lines = await log.lines({ since_ms: 1_700_000_000_033 })
    const report = await verify(lines, { anchors: [oldest!.note] })
    expect(report).toMatchObject({ from: 33, freshness: 'unproven' })
    expect(report.warnings[0]?.message).toBe(
      'the anchor at 7 cannot be compared: export again with --anchor',
    )
    expect(exitCodeOf(report)).toBe(5)
    const again = await log.lines({ since_ms: 1_700_000_000_033, anchors: [7] })
    expect(exitCodeOf(await verify(again, { anchors: [oldest!.note] }))).toBe(0)
    // Neither does a proof to anywhere else stand in its way.
    const elsewhere = JSON.stringify({ consistency: { from: 7, to: 8, hashes: [] } })
    const more = again.toSpliced(-1, 0, elsewhere)
    expect(exitCodeOf(await verify(more, { anchors: [oldest!.note] }))).toBe(0)
  })

  test('keys that rotated: the new key is given, the log names the old one', async () => {
    const next = testKey(ORIGIN, 1, 'the next key')
    const log = testLog()
    await log.grow(3)
    await log.sign()
    const key = {
      ...testLeaf(0),
      source: { pdp: 'a' },
      kind: 'key' as const,
      event: 'rotated',
      vkey: next.key.vkey,
      before: KEY.key.vkey,
    }
    await log.grow(0, [key])
    await log.sign(next)
    const report = await verify(await log.lines(), { keys: [next.key] })
    expect(report).toMatchObject({
      problems: [],
      rotations: [{ index: 3, vkey: next.key.vkey, before: KEY.key.vkey }],
    })
    expect(report.keys.map(({ vkey }) => vkey).toSorted()).toEqual(
      [next.key.vkey, KEY.key.vkey].toSorted(),
    )
    // The old key alone says nothing about what it did not sign.
    expect(codes(await verify(await log.lines()))).toContain('unknown_key')
  })

  test('sealed bytes and blocks that are what their leaf says', async () => {
    const { lines } = await sealedLog()
    expect(await verify(lines)).toMatchObject({ problems: [], sealed: 2, blocks: 2 })
  })
})

test('sealed bytes are read a bounded number of blocks at a time, and around a leaf that names none', async () => {
  const content = {
    key: '0'.repeat(32),
    commitment: 'c',
    sealed: '1'.repeat(64),
    blocks: Array.from({ length: 100 }, () => '2'.repeat(64)),
  }
  const log = testLog()
  await log.grow(
    0,
    Array.from({ length: 8 }, (_, n) => testLeaf(n, { content })),
  )
  await log.sign()
  const [, second] = log.store.rows.leaves
  if (second) log.store.rows.leaves[1] = { ...second, leaf: '{"content":{"key":null' }
  const asked: number[][] = []
  await log.lines({
    sealed: (leaves) => {
      asked.push(leaves.map(({ index }) => index))
      return Promise.resolve(new Map())
    },
  })
  expect(asked).toEqual([[0, 1, 2, 3], [4, 5, 6], [7]])
})

async function sealedLog(): Promise<{ lines: string[] }> {
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  const log = testLog()
  await log.grow(
    0,
    [0, 1].map((n) =>
      testLeaf(n, {
        content: {
          key: 'k',
          commitment: 'c',
          sealed: sha(`sealed ${n}`),
          blocks: [sha(`block ${n}`)],
        },
      }),
    ),
  )
  await log.sign()
  const lines = await log.lines({
    sealed: (leaves) =>
      Promise.resolve(
        new Map(
          leaves.map(({ index }) => [
            index,
            { sealed: Buffer.from(`sealed ${index}`), blocks: [Buffer.from(`block ${index}`)] },
          ]),
        ),
      ),
  })
  return { lines }
}

/** What a superuser can do to the tables; each is done to a log whose last checkpoint somebody keeps. */
const rehash = (store: MemoryStore, from = 0): void => {
  store.rows.leaves = store.rows.leaves.map(({ leaf, hash }, n) => ({
    index: n,
    leaf,
    hash: n < from ? hash : leafHash(leaf),
  }))
}
const edited = (leaf: string): string =>
  canonicalLeaf({ ...(JSON.parse(leaf) as object), name: 'something else' })

describe('tampering with the store is named', () => {
  const at = fc.integer({ min: 0, max: 59 })

  test('an edited leaf, by its index', async () => {
    await fc.assert(
      fc.asyncProperty(at, async (n) => {
        const { log, anchor } = await signedLog()
        const row = log.store.rows.leaves[n]!
        log.store.rows.leaves[n] = { ...row, leaf: edited(row.leaf) }
        const report = await verify(await log.lines(), { anchors: [anchor] })
        expect(report.problems).toEqual([
          expect.objectContaining({ code: 'leaf_changed', index: n }),
        ])
        expect(exitCodeOf(report)).toBe(1)
      }),
      { numRuns: 20 },
    )
  })

  test('a leaf that was edited together with its hash, by the checkpoints around it', async () => {
    await fc.assert(
      fc.asyncProperty(at, async (n) => {
        const { log } = await signedLog()
        const row = log.store.rows.leaves[n]!
        const leaf = edited(row.leaf)
        log.store.rows.leaves[n] = { ...row, leaf, hash: leafHash(leaf) }
        const { problems } = await verify(await log.lines())
        expect(problems.map(({ code }) => code)).toEqual(['leaves_do_not_fit'])
        const [from, to] = problems[0]!.range!
        expect(n >= from && n < to).toBe(true)
        expect([0, 7, 20, 33]).toContain(from)
        expect([7, 20, 33, 60]).toContain(to)
      }),
      { numRuns: 20 },
    )
  })

  test('a deleted leaf, by its index', async () => {
    await fc.assert(
      fc.asyncProperty(at, async (n) => {
        const { log } = await signedLog()
        log.store.rows.leaves.splice(n, 1)
        const { problems } = await verify(await log.lines())
        expect(problems).toContainEqual(
          expect.objectContaining(
            n === 59
              ? { code: 'tail_cut', range: [59, 60] }
              : { code: 'dropped', range: [n, n + 1] },
          ),
        )
      }),
      { numRuns: 20 },
    )
  })

  test('a deleted, inserted, or moved leaf where all later ones were numbered again', async () => {
    await fc.assert(
      fc.asyncProperty(
        at,
        at,
        fc.constantFrom('delete', 'insert', 'move', 'repeat'),
        async (n, m, kind) => {
          fc.pre(n !== m)
          const { log } = await signedLog()
          const { leaves } = log.store.rows
          const row = leaves[n]!
          if (kind === 'delete' || kind === 'move') leaves.splice(n, 1)
          if (kind === 'move') leaves.splice(m, 0, row)
          if (kind === 'repeat') leaves.splice(m, 0, row)
          if (kind === 'insert') leaves.splice(m, 0, { ...row, leaf: edited(row.leaf) })
          rehash(log.store)
          const report = await verify(await log.lines())
          expect(exitCodeOf(report)).toBe(1)
          expect(
            codes(report).some((code) =>
              ['leaves_do_not_fit', 'tail_cut', 'journal_gap', 'journal_repeat'].includes(code),
            ),
          ).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('a log that was rewritten with all of its hashes, but not signed', async () => {
    const { log, anchor } = await signedLog()
    log.store.rows.leaves[10] = {
      ...log.store.rows.leaves[10]!,
      leaf: edited(log.store.rows.leaves[10]!.leaf),
    }
    rehash(log.store)
    const report = await verify(await log.lines(), { anchors: [anchor] })
    expect(codes(report)).toEqual(['leaves_do_not_fit', 'fork'])
    expect(report.problems[0]?.range).toEqual([7, 20])
  })

  test('what was rewritten in front of the part that is exported', async () => {
    const { log } = await signedLog()
    log.store.rows.hashes.get(0)![3] = leafHash('another')
    const lines = await log.lines({ since_ms: 1_700_000_000_033 })
    expect((await verify(lines)).problems).toEqual([
      expect.objectContaining({ code: 'leaves_do_not_fit', range: [0, 33] }),
    ])
  })

  test('an older copy: unproven without an anchor, a roll-back with one', async () => {
    const { log, anchor } = await signedLog()
    const { rows } = log.store
    rows.leaves = rows.leaves.slice(0, 33)
    rows.checkpoints = rows.checkpoints.slice(0, 3)
    const lines = await log.lines()
    expect(exitCodeOf(await verify(lines))).toBe(5)
    const report = await verify(lines, { anchors: [anchor] })
    expect(report.problems).toEqual([
      expect.objectContaining({ code: 'rolled_back', range: [33, 60] }),
    ])
    expect(exitCodeOf(report)).toBe(1)
  })

  test('a tail that was cut below its last checkpoint', async () => {
    const { log } = await signedLog()
    log.store.rows.leaves.splice(50)
    expect((await verify(await log.lines())).problems).toEqual([
      expect.objectContaining({ code: 'tail_cut', range: [50, 60] }),
    ])
  })

  test('a fork that the service signed: an older copy that went on', async () => {
    const { log, anchor } = await signedLog()
    const older = testLog()
    await older.grow(33)
    await older.grow(
      0,
      Array.from({ length: 40 }, (_, n) => testLeaf(33 + n, { name: 'other' })),
    )
    await older.sign()
    const lines = await older.lines()
    expect(exitCodeOf(await verify(lines))).toBe(5)
    expect(codes(await verify(lines, { anchors: [anchor] }))).toEqual(['fork'])
    // The checkpoint of the other branch may also stand in the store.
    older.store.rows.checkpoints.unshift(log.store.rows.checkpoints[3]!)
    const both = await verify(await older.lines())
    expect(both.problems).toEqual([expect.objectContaining({ code: 'fork', range: [60, 60] })])
  })

  test('a log that does not extend an anchor older than the part', async () => {
    const { log } = await signedLog()
    const other = testLog()
    await other.grow(0, [testLeaf(0, { name: 'other' })])
    const anchor = await other.sign()
    const lines = await log.lines({ since_ms: 1_700_000_000_033, anchors: [1] })
    expect(codes(await verify(lines, { anchors: [anchor.note] }))).toEqual(['fork'])
  })

  test.each([
    [
      'an altered checkpoint',
      (note: string) => note.replace('\n20\n', '\n21\n'),
      'checkpoint_altered',
    ],
    ['a checkpoint that is none', () => 'nonsense', 'checkpoint_altered'],
    [
      'a checkpoint of an unknown key',
      (note: string) =>
        note.slice(0, note.indexOf('—')) +
        testKey(ORIGIN, 1, 'x').line(note.slice(0, note.indexOf('\n\n') + 1)) +
        '\n',
      'unknown_key',
    ],
  ])('%s', async (_, spoil, code) => {
    const { log } = await signedLog()
    const { checkpoints } = log.store.rows
    checkpoints[1] = { ...checkpoints[1]!, note: spoil(checkpoints[1]!.note) }
    expect(codes(await verify(await log.lines()))).toContain(code)
    const last = checkpoints[3]!
    checkpoints[3] = { ...last, note: spoil(last.note).replace('\n21\n', '\n60\n') }
    expect(exitCodeOf(await verify(await log.lines()))).toBe(1)
  })

  test.each(['sealed', 'block'])('%s bytes that were replaced, swapped or moved', async (kind) => {
    const { lines } = await sealedLog()
    const found = lines.filter((line) => line.startsWith(`{"${kind}"`))
    const [first, second] = [lines.indexOf(found[0]!), lines.indexOf(found[1]!)]
    const bytes = (line: string): string => /"bytes":"([^"]*)"/.exec(line)![1]!
    const replaced = lines.with(first, found[0]!.replace(bytes(found[0]!), bytes(found[1]!)))
    expect(codes(await verify(replaced))).toEqual([`${kind}_replaced`])
    expect(codes(await verify(lines.with(first, found[1]!).with(second, found[0]!)))).toEqual([
      'content_misplaced',
      'content_misplaced',
    ])
  })
})

describe('tampering with the file is named', () => {
  test('no line can be changed, dropped, doubled or moved unseen', async () => {
    const { log, anchor } = await signedLog()
    const lines = await log.lines()
    expect(exitCodeOf(await verify(lines, { anchors: [anchor] }))).toBe(0)
    const pick = fc.nat({ max: lines.length - 1 })
    await fc.assert(
      fc.asyncProperty(
        pick,
        pick,
        fc.nat(),
        fc.constantFrom('char', 'drop', 'double', 'swap', 'cut'),
        async (a, b, c, kind) => {
          let spoilt = [...lines]
          const line = lines[a]!
          const at = c % line.length
          if (kind === 'char') {
            spoilt[a] = `${line.slice(0, at)}${line[at] === '7' ? '8' : '7'}${line.slice(at + 1)}`
            // When it was exported is what whoever exports says; nothing is proven by it.
            fc.pre(
              !(
                a === 0 &&
                JSON.stringify({ ...(JSON.parse(line) as object), exported_ms: 0 }) ===
                  exportedAtZero(spoilt[0]!)
              ),
            )
          } else if (kind === 'drop') spoilt.splice(a, 1)
          else if (kind === 'double') spoilt.splice(b, 0, line)
          else if (kind === 'cut') spoilt = lines.slice(0, a)
          else {
            fc.pre(lines[a] !== lines[b])
            spoilt = lines.with(a, lines[b]!).with(b, line)
          }
          // A checkpoint in between is one statement more: left out or told twice in its place it changes none.
          const only = kind === 'drop' || kind === 'double'
          fc.pre(!(only && line.startsWith('{"checkpoint"')))
          const report = await verify(spoilt, { anchors: [anchor] })
          expect(exitCodeOf(report), `${kind} ${a} ${b} ${at}`).toBe(1)
          expect(report.problems.length).toBeGreaterThan(0)
        },
      ),
      { numRuns: 1500 },
    )
  })

  test.each([
    ['a line that is no JSON', 'nonsense', 'line_malformed'],
    ['a member that comes twice', '{"checkpoint":"x","checkpoint":"y"}', 'line_malformed'],
    ['white space', '{ "checkpoint": "x" }', 'line_malformed'],
    ['a member that is not known', '{"note":"all of this is proven"}', 'line_malformed'],
  ])('%s', async (_, line, code) => {
    const { log } = await signedLog()
    expect(codes(await verify((await log.lines()).toSpliced(10, 0, line)))).toContain(code)
  })

  test('leaves in the wrong order, twice, and too many', async () => {
    const { log } = await signedLog()
    const lines = await log.lines()
    const n = lines.findIndex((line) => line.startsWith('{"index":10,'))
    const swapped = await verify(lines.with(n, lines[n + 1]!).with(n + 1, lines[n]!))
    expect(swapped.problems).toContainEqual(
      expect.objectContaining({ code: 'reordered', index: 10 }),
    )
    expect(codes(swapped)).not.toContain('dropped')
    const doubled = await verify(lines.toSpliced(n, 0, lines[n]!))
    expect(doubled.problems).toContainEqual(
      expect.objectContaining({ code: 'duplicate', index: 10 }),
    )
    const last = lines.findLast((line) => line.startsWith('{"index":59,'))!
    const more = await verify(lines.toSpliced(-1, 0, last.replace('59', '60')))
    expect(more.problems).toContainEqual(expect.objectContaining({ code: 'inserted', index: 60 }))
  })

  test('a count that is not that of the leaves, and lines behind the last', async () => {
    const { log } = await signedLog()
    const lines = await log.lines()
    expect(codes(await verify([...lines.slice(0, -1), '{"end":{"leaves":59}}']))).toEqual([
      'count_wrong',
    ])
    expect(codes(await verify([...lines, lines.at(-2)!]))).toContain('line_malformed')
  })

  test('text with a lone surrogate does not pass for text with a replacement character', async () => {
    const log = testLog()
    await log.grow(0, [testLeaf(0, { name: '\ufffd' })])
    await log.sign()
    const lines = (await log.lines()).map((line) =>
      line.startsWith('{"index"') ? line.replace('\ufffd', '\\ud800') : line,
    )
    expect(codes(await verify(lines))).toContain('leaf_changed')
  })

  test('hostile leaves are found wanting and break nothing', async () => {
    const log = testLog()
    const odd = [null, 5, 'x', [], { toString: 1, valueOf: 1 }]
    await log.grow(
      0,
      odd.flatMap((one) => [
        testLeaf(0, { source: one }),
        testLeaf(0, { source: { pep: one, epoch: one, seq: one } }),
        testLeaf(0, {
          source: { pdp: 'x' },
          kind: 'key',
          vkey: one,
          also: one,
          before: one,
          time_ms: one,
        }),
        testLeaf(0, { source: { pdp: 'x' }, content: one }),
        testLeaf(0, { v: one }),
      ]),
    )
    await log.sign()
    expect(codes(await verify(await log.lines()))).toContain('leaf_malformed')
  })
})

describe('numbers and clocks', () => {
  const from = (...seqs: number[]) => seqs.map((seq) => testLeaf(seq))
  test.each([
    ['a gap', from(0, 1, 3), 'journal_gap', 2],
    ['a repeat', from(0, 1, 1), 'journal_repeat', 2],
    ['a late beginning', from(1, 2), 'journal_gap', 0],
  ])('%s in the journal of an enforcement point is named', async (_, leaves, code, index) => {
    const log = testLog()
    await log.grow(0, leaves)
    await log.sign()
    expect((await verify(await log.lines())).problems).toEqual([
      expect.objectContaining({ code, index }),
    ])
  })

  test('a part of a log may begin in the middle of a journal', async () => {
    const { log } = await signedLog()
    expect(await verify(await log.lines({ since_ms: 1_700_000_000_020 }))).toMatchObject({
      from: 20,
      problems: [],
    })
  })

  test('a clock that goes back is a warning, unless an event says so', async () => {
    const log = testLog()
    const back = (logged_ms: number, more: object = {}): void => {
      const leaf = canonicalLeaf({ ...testLeaf(0), source: { pdp: 'x' }, ...more, logged_ms })
      log.store.rows.leaves.push({
        index: log.store.rows.leaves.length,
        leaf,
        hash: leafHash(leaf),
      })
    }
    back(100)
    back(90)
    back(80, { name: 'clock.back', detail: { by_ms: 10 } })
    back(70)
    // An enforcement point says nothing of the log's clock.
    back(60, { name: 'clock.back', source: { pep: 'p', epoch: 'e', seq: 0 } })
    expect((await verify(await signedRows(log))).warnings).toEqual([
      expect.objectContaining({ code: 'clock_back', index: 1 }),
      expect.objectContaining({ code: 'clock_back', index: 4 }),
    ])
  })

  test('a time that no date has is named, and not told as one', async () => {
    const log = testLog()
    const leaf = canonicalLeaf({ ...testLeaf(0), source: { pdp: 'x' }, logged_ms: 1e300 })
    log.store.rows.leaves.push({ index: 0, leaf, hash: leafHash(leaf) })
    const report = await verify(await signedRows(log))
    expect(codes(report)).toEqual(['leaf_malformed'])
    expect(report.first_ms).toBeUndefined()
  })
})

/** Signs rows that were put there by hand. */
async function signedRows(log: TestLog): Promise<string[]> {
  const copy = testLog()
  const { leaves } = log.store.rows
  await copy.store.append(leaves.map(({ leaf }) => JSON.parse(leaf) as LeafBody))
  const range = growRange()
  for (const { hash } of leaves) range.append(hash)
  copy.store.rows.leaves = leaves
  copy.store.rows.head = { size: range.size(), hashes: range.hashes(), logged_ms: 0 }
  await copy.sign()
  return copy.lines()
}

describe('the file', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'export-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('cut at any byte, or with any byte changed, is named', async () => {
    const { log, anchor } = await signedLog()
    const whole = gzipSync(`${(await log.lines()).join('\n')}\n`)
    const path = join(folder, 'export.jsonl.gz')
    const options = { keys: [KEY.key], anchors: [anchor] }
    await writeFile(path, whole)
    expect(exitCodeOf(await verifyExport(readExport(path), options))).toBe(0)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: whole.length - 1 }), fc.boolean(), async (at, cut) => {
        await writeFile(path, whole)
        if (cut) await truncate(path, at)
        else {
          // Bytes 4 to 9 of gzip's header say when and where it was made.
          fc.pre(at < 4 || at > 9)
          await writeFile(
            path,
            whole.map((byte, n) => (n === at ? byte ^ 0x10 : byte)),
          )
        }
        const report = await verifyExport(readExport(path), options)
        expect(exitCodeOf(report), `${at} ${cut}`).toBe(1)
      }),
      { numRuns: 200 },
    )
  })

  test('that is not there is an error, not a finding', async () => {
    await expect(verifyExport(readExport(join(folder, 'nothing')), { keys: [] })).rejects.toThrow(
      'ENOENT',
    )
  })

  test('is read as UTF-8 across any borders of chunks, and nothing else is', async () => {
    const bytes = Buffer.from('é\n€𐍈\n\nx')
    for (let size = 1; size <= bytes.length; size += 1) {
      const chunks: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
      const lines: string[] = []
      for await (const line of linesOf(each2(chunks))) lines.push(line)
      expect(lines).toEqual(['é', '€𐍈', '', 'x'])
    }
    const bad = async (): Promise<void> => {
      for await (const _ of linesOf(each2([Buffer.of(0x61, 0xff)]))) void _
    }
    await expect(bad()).rejects.toThrow('no UTF-8')
  })

  test('may have a line of many chunks, each of which is looked at once', async () => {
    const chunks = Array.from({ length: 20_000 }, () => Buffer.alloc(2000, 'a'))
    const lengths: number[] = []
    for await (const line of linesOf(each2([...chunks, Buffer.from('\nb')])))
      lengths.push(line.length)
    expect(lengths).toEqual([40_000_000, 1])
  })
})

async function* each2(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
const exportedAtZero = (line: string): string => {
  try {
    return JSON.stringify({ ...(JSON.parse(line) as object), exported_ms: 0 })
  } catch {
    return ''
  }
}
