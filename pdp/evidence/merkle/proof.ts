import { rangeLength, rootOf, STORED_LEVELS } from './range.ts'

/** Proofs of RFC 6962 §2.1.1 and §2.1.2, made from hashes that are stored for levels 0, 8, 16, 24 and 32. */

/**
 * Reads hashes of complete subtrees of 2^level leaves: those numbered from `from` up to, not including, `to`.
 * Level is 0 (leaf hashes) or one of `STORED_LEVELS`.
 */
export type ReadHashes = (level: number, from: number, to: number) => Promise<readonly Uint8Array[]>

/** Leaves from `from` up to, not including, `to`, as the RFC splits a tree: aligned, and complete but for the right edge. */
type Span = { readonly from: number; readonly to: number }
/** A complete subtree: leaves n·2^level up to (n + 1)·2^level. */
type Node = { readonly level: number; readonly n: number }

/** Leaves in a block that is read at once: as many subtrees of a stored level as one of the next has. */
const BLOCK = 256

/**
 * Audit path of a leaf in the tree of the first `size` leaves, lowest first.
 * @throws {RangeError} when there is no such leaf in that tree.
 */
export function inclusionProof(
  read: ReadHashes,
  index: number,
  size: number,
): Promise<readonly Uint8Array[]> {
  if (!isCount(index) || !isCount(size) || index >= size)
    throw new RangeError(`there is no leaf ${index} in a tree of ${size}`)
  return hashesOf(read, size, path(index, 0, size))
}

/**
 * Proof that the tree of the first `first` leaves is the beginning of that of the first `second`. Empty when they are
 * equal, or when the first is empty: everything extends the empty tree.
 * @throws {RangeError} when the first is larger.
 */
export function consistencyProof(
  read: ReadHashes,
  first: number,
  second: number,
): Promise<readonly Uint8Array[]> {
  if (!isCount(first) || !isCount(second) || first > second)
    throw new RangeError(`a tree of ${second} leaves does not extend one of ${first}`)
  return hashesOf(read, second, first === 0 ? [] : subproof(first, { from: 0, to: second }, true))
}

/** Hashes of the compact range of the tree of the first `size` leaves, largest subtree first. */
export async function rangeAt(read: ReadHashes, size: number): Promise<readonly Uint8Array[]> {
  if (!isCount(size)) throw new RangeError(`a tree has no ${size} leaves`)
  if (size === 0) return []
  const hashes = await hashesOf(
    read,
    size,
    nodesOf({ from: 0, to: size }).map(({ level, n }) => ({
      from: n * 2 ** level,
      to: (n + 1) * 2 ** level,
    })),
  )
  if (hashes.length !== rangeLength(size)) throw new Error('a range has one hash for each bit')
  return hashes
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** Largest power of two that is smaller than n, for n > 1. */
function split(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

/** PATH(m, D[from:to]). */
function path(index: number, from: number, to: number): Span[] {
  if (to - from === 1) return []
  const middle = from + split(to - from)
  return index < middle
    ? [...path(index, from, middle), { from: middle, to }]
    : [...path(index, middle, to), { from, to: middle }]
}

/** SUBPROOF(m, D[from:to], whole): `whole` says that the verifier knows the hash of these very leaves. */
function subproof(m: number, { from, to }: Span, whole: boolean): Span[] {
  if (m === to - from) return whole ? [] : [{ from, to }]
  const k = split(to - from)
  const middle = from + k
  return m <= k
    ? [...subproof(m, { from, to: middle }, whole), { from: middle, to }]
    : [...subproof(m - k, { from: middle, to }, false), { from, to: middle }]
}

/** The complete subtrees of a span, largest first. */
function nodesOf({ from, to }: Span): Node[] {
  const nodes: Node[] = []
  for (let at = from; at < to;) {
    let level = 0
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= to) level += 1
    nodes.push({ level, n: at / 2 ** level })
    at += 2 ** level
  }
  return nodes
}

/** Highest stored level that a subtree of this level is made of. */
const storedLevel = (level: number): number =>
  STORED_LEVELS.findLast((stored) => stored <= level) ?? 0

/** Reads the blocks that all spans need, at the same time, each once, and hashes the spans from them. */
async function hashesOf(
  read: ReadHashes,
  size: number,
  spans: readonly Span[],
): Promise<readonly Uint8Array[]> {
  const wanted = spans.map((span) => nodesOf(span))
  const blocks = new Map<string, Promise<readonly Uint8Array[]>>()

  /** The block that holds subtree n of a stored level; no more of it than the tree has. */
  function block(stored: number, n: number): Promise<readonly Uint8Array[]> {
    const number = Math.floor(n / BLOCK)
    const key = `${stored}/${number}`
    let reading = blocks.get(key)
    if (!reading) {
      const [from, to] = [
        number * BLOCK,
        Math.min((number + 1) * BLOCK, Math.floor(size / 2 ** stored)),
      ]
      reading = read(stored, from, to).then((hashes) => {
        // Fewer would make a proof of something else: the store is damaged.
        if (hashes.length !== to - from)
          throw new Error(
            `the store has ${hashes.length} of the hashes ${from} to ${to} of level ${stored}`,
          )
        return hashes
      })
      blocks.set(key, reading)
    }
    return reading
  }

  async function nodeAt({ level, n }: Node): Promise<Uint8Array> {
    const stored = storedLevel(level)
    const width = 2 ** (level - stored)
    // Above level 40 a subtree has more than one block; no log grows as large as that, but it would be right.
    const parts: Uint8Array[] = []
    for (let at = n * width; at < (n + 1) * width; at += Math.min(width, BLOCK)) {
      const hashes = await block(stored, at)
      parts.push(...hashes.slice(at % BLOCK, (at % BLOCK) + Math.min(width, BLOCK)))
    }
    return fold(parts)
  }

  return Promise.all(
    wanted.map(async (nodes) => rootOf(await Promise.all(nodes.map((node) => nodeAt(node))))),
  )
}

/** Root of a complete subtree over 2^k hashes. */
function fold(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes
  while (row.length > 1) {
    const above: Uint8Array[] = []
    for (let at = 0; at < row.length; at += 2) above.push(rootOf(row.slice(at, at + 2)))
    row = above
  }
  return rootOf(row)
}
