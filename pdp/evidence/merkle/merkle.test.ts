import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyRoot, leafHash, nodeHash } from './hash.ts'
import { consistencyProof, inclusionProof, rangeAt, type ReadHashes } from './proof.ts'
import { growRange, rangeLength, rootOf, STORED_LEVELS } from './range.ts'
import { isConsistent, isIncluded } from './verify.ts'

/** The definitions of RFC 6962 §2.1, word for word and slow, sharing nothing with the code that is tested. */
const sha = (...parts: readonly Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest()
const k = (n: number): number => {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}
function mth(d: readonly Uint8Array[]): Uint8Array {
  if (d.length === 0) return sha()
  if (d.length === 1) return d[0]!
  const at = k(d.length)
  return sha(Buffer.of(1), mth(d.slice(0, at)), mth(d.slice(at)))
}
function naivePath(m: number, d: readonly Uint8Array[]): Uint8Array[] {
  if (d.length === 1) return []
  const at = k(d.length)
  return m < at
    ? [...naivePath(m, d.slice(0, at)), mth(d.slice(at))]
    : [...naivePath(m - at, d.slice(at)), mth(d.slice(0, at))]
}
function naiveSubproof(m: number, d: readonly Uint8Array[], b: boolean): Uint8Array[] {
  if (m === d.length) return b ? [] : [mth(d)]
  const at = k(d.length)
  return m <= at
    ? [...naiveSubproof(m, d.slice(0, at), b), mth(d.slice(at))]
    : [...naiveSubproof(m - at, d.slice(at), false), mth(d.slice(0, at))]
}

const leaf = (n: number): Uint8Array => leafHash(`leaf ${n}`)
const leaves = (size: number): Uint8Array[] => Array.from({ length: size }, (_, n) => leaf(n))
const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex')
const hexes = (hashes: readonly Uint8Array[]): string[] => hashes.map((hash) => hex(hash))

/** Grows a tree and keeps what a store keeps. */
function grown(d: readonly Uint8Array[]): {
  read: ReadHashes
  reads: { level: number; count: number }[]
} {
  const rows = new Map<number, Uint8Array[]>([
    [0, [...d]],
    ...STORED_LEVELS.map((l) => [l, []] as [number, Uint8Array[]]),
  ])
  const range = growRange()
  for (const hash of d)
    for (const { level, n, hash: subtree } of range.append(hash)) {
      const row = rows.get(level)!
      expect(n).toBe(row.length)
      row.push(subtree)
    }
  const reads: { level: number; count: number }[] = []
  return {
    reads,
    read(level, from, to) {
      reads.push({ level, count: to - from })
      return Promise.resolve(rows.get(level)!.slice(from, to))
    },
  }
}

/** certificate-transparency's reference leaves and the roots of the trees of the first 0 … 8 of them. */
const KNOWN_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const KNOWN_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const knownLeaves = KNOWN_LEAVES.map((bytes) =>
  leafHash(Buffer.from(bytes, 'hex').toString('utf8')),
)

describe('the known vectors of certificate-transparency', () => {
  test('trees of 0 to 8 leaves have the known roots', () => {
    const range = growRange()
    expect(hex(range.root())).toBe(KNOWN_ROOTS[0])
    for (const [n, hash] of knownLeaves.entries()) {
      range.append(hash)
      expect(hex(range.root())).toBe(KNOWN_ROOTS[n + 1])
    }
  })

  test('known proofs come out and are believed', async () => {
    const { read } = grown(knownLeaves)
    expect(hexes(await inclusionProof(read, 0, 8))).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ])
    expect(hexes(await inclusionProof(read, 5, 8))).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
    expect(hexes(await consistencyProof(read, 6, 8))).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
    expect(hexes(await consistencyProof(read, 2, 5))).toEqual([
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ])
  })
})

/** Small trees, and those about the borders of stored subtrees. */
const size = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 250, max: 800 }))

describe('against the definitions of RFC 6962', () => {
  test('a range has the root of the definition, whatever it was continued from', () => {
    fc.assert(
      fc.property(size, fc.nat(), (size, cut) => {
        const d = leaves(size)
        const first = growRange()
        for (const hash of d.slice(0, cut % size)) first.append(hash)
        const second = growRange({ size: first.size(), hashes: first.hashes() })
        for (const hash of d.slice(cut % size)) second.append(hash)
        expect(hex(second.root())).toBe(hex(mth(d)))
        expect(second.hashes()).toHaveLength(rangeLength(size))
        expect(first.size()).toBe(cut % size)
      }),
      { numRuns: 60 },
    )
  })

  test('inclusion proofs are those of the definition, and are believed', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, fc.nat(), async (one, other, pick) => {
        const [size, total] = [Math.min(one, other), Math.max(one, other)]
        const index = pick % size
        const d = leaves(total)
        const proof = await inclusionProof(grown(d).read, index, size)
        expect(hexes(proof)).toEqual(hexes(naivePath(index, d.slice(0, size))))
        expect(
          isIncluded({ index, size, leaf: leaf(index), root: mth(d.slice(0, size)), proof }),
        ).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('consistency proofs are those of the definition, and are believed', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, async (one, other) => {
        const [first, second] = [Math.min(one, other), Math.max(one, other)]
        const d = leaves(second)
        const proof = await consistencyProof(grown(d).read, first, second)
        expect(hexes(proof)).toEqual(hexes(naiveSubproof(first, d, true)))
        expect(
          isConsistent({
            first: { size: first, root: mth(d.slice(0, first)) },
            second: { size: second, root: mth(d) },
            proof,
          }),
        ).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('the range of an earlier size is read from the store', async () => {
    await fc.assert(
      fc.asyncProperty(size, size, async (one, other) => {
        const d = leaves(Math.max(one, other))
        const at = Math.min(one, other)
        const range = growRange()
        for (const hash of d.slice(0, at)) range.append(hash)
        expect(hexes(await rangeAt(grown(d).read, at))).toEqual(hexes(range.hashes()))
      }),
      { numRuns: 40 },
    )
  })
})

describe('what is not exactly right is not believed', () => {
  test('an inclusion proof with anything changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.nat(),
        fc.nat(),
        async (size, pick, spoil) => {
          const index = pick % size
          const d = leaves(size)
          const right = {
            index,
            size,
            leaf: leaf(index),
            root: mth(d),
            proof: await inclusionProof(grown(d).read, index, size),
          }
          const flip = (hash: Uint8Array): Uint8Array =>
            hash.map((byte, at) => (at === spoil % 32 ? byte ^ 1 : byte))
          expect(isIncluded({ ...right, leaf: flip(right.leaf) })).toBe(false)
          expect(isIncluded({ ...right, root: flip(right.root) })).toBe(false)
          expect(isIncluded({ ...right, proof: [...right.proof, right.root] })).toBe(false)
          if (right.proof.length > 0) {
            const at = spoil % right.proof.length
            expect(
              isIncluded({ ...right, proof: right.proof.with(at, flip(right.proof[at]!)) }),
            ).toBe(false)
            expect(isIncluded({ ...right, proof: right.proof.toSpliced(at, 1) })).toBe(false)
            const other = (index + 1 + (spoil % (size - 1))) % size
            if (other !== index) expect(isIncluded({ ...right, index: other })).toBe(false)
          }
          expect(isIncluded({ ...right, index: size })).toBe(false)
          expect(isIncluded({ ...right, index: -1 })).toBe(false)
          expect(isIncluded({ ...right, index: 0.5 })).toBe(false)
        },
      ),
      { numRuns: 80 },
    )
  })

  test('a consistency proof with anything changed, and a tree that forks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 300 }),
        fc.nat(),
        fc.nat(),
        async (second, pick, spoil) => {
          const first = 1 + (pick % (second - 1))
          const d = leaves(second)
          const right = {
            first: { size: first, root: mth(d.slice(0, first)) },
            second: { size: second, root: mth(d) },
            proof: await consistencyProof(grown(d).read, first, second),
          }
          const forked = d.with(spoil % first, leafHash('another'))
          const proof = await consistencyProof(grown(forked).read, first, second)
          expect(
            isConsistent({ ...right, second: { size: second, root: mth(forked) }, proof }),
          ).toBe(false)
          const at = spoil % right.proof.length
          const flip = (hash: Uint8Array): Uint8Array =>
            hash.map((byte, n) => (n === spoil % 32 ? byte ^ 1 : byte))
          expect(
            isConsistent({ ...right, proof: right.proof.with(at, flip(right.proof[at]!)) }),
          ).toBe(false)
          expect(isConsistent({ ...right, proof: right.proof.toSpliced(at, 1) })).toBe(false)
          expect(isConsistent({ ...right, proof: [...right.proof, right.second.root] })).toBe(false)
          expect(isConsistent({ ...right, first: right.second, second: right.first })).toBe(false)
          expect(
            isConsistent({ ...right, second: { size: second, root: flip(right.second.root) } }),
          ).toBe(false)
        },
      ),
      { numRuns: 80 },
    )
  })

  test('everything extends the empty tree, but only under its own root', () => {
    const second = { size: 1, root: leaf(0) }
    expect(isConsistent({ first: { size: 0, root: emptyRoot() }, second, proof: [] })).toBe(true)
    expect(isConsistent({ first: { size: 0, root: leaf(1) }, second, proof: [] })).toBe(false)
    expect(isConsistent({ first: second, second, proof: [leaf(0)] })).toBe(false)
  })

  test('a range that does not fit its size, hashes of another length, leaves that are not there', async () => {
    expect(() => growRange({ size: 2, hashes: [leaf(0), leaf(1)] })).toThrow('1 complete subtrees')
    expect(() => growRange({ size: 1, hashes: [Buffer.alloc(31)] })).toThrow('32 bytes')
    expect(() => nodeHash(leaf(0), Buffer.alloc(33))).toThrow('32 bytes')
    const { read } = grown(leaves(3))
    expect(() => inclusionProof(read, 3, 3)).toThrow(RangeError)
    expect(() => consistencyProof(read, 4, 3)).toThrow(RangeError)
    await expect(inclusionProof(() => Promise.resolve([]), 0, 3)).rejects.toThrow('the store has 0')
  })
})

test('a proof in a tree of ten million leaves reads at most two blocks of 256 of each level', async () => {
  // A store of equal subtrees: the hashes are wrong for a tree of leaves, their number is what counts.
  const size = 10_000_000
  const reads = new Map<number, number>()
  let count = 0
  const read: ReadHashes = (level, from, to) => {
    expect(to - from).toBeLessThanOrEqual(256)
    expect(to * 2 ** level).toBeLessThanOrEqual(size)
    reads.set(level, (reads.get(level) ?? 0) + 1)
    count += 1
    return Promise.resolve(Array.from({ length: to - from }, () => leaf(level)))
  }
  expect(await inclusionProof(read, 6_543_210, size)).toHaveLength(24)
  expect(new Set(reads.keys())).toEqual(new Set([0, 8, 16]))
  expect(Math.max(...reads.values())).toBeLessThanOrEqual(2)
  expect(count).toBeLessThanOrEqual(6)
  expect(rootOf([])).toEqual(emptyRoot())
})
