import { emptyRoot, HASH_BYTES, nodeHash } from './hash.ts'

/**
 * A tree as little as it takes to append to it: the hashes of its complete subtrees, largest first. A tree of `size`
 * leaves has as many as `size` has bits that are 1.
 */
export type Range = { readonly size: number; readonly hashes: readonly Uint8Array[] }

/** A subtree of 2^level leaves that became complete: leaves n·2^level up to (n + 1)·2^level. */
export type Subtree = { readonly level: number; readonly n: number; readonly hash: Uint8Array }

/** Subtrees whose hashes are stored beside those of leaves (level 0), so that a proof reads few of them. */
export const STORED_LEVELS: readonly number[] = [8, 16, 24, 32]

export type GrowingRange = {
  readonly size: () => number
  /** A copy, that later leaves do not change. */
  readonly hashes: () => readonly Uint8Array[]
  readonly root: () => Uint8Array
  /** @returns the subtrees of `STORED_LEVELS` that this leaf completes, smallest first. */
  readonly append: (leaf: Uint8Array) => readonly Subtree[]
}

/** How many hashes the range of a tree of `size` leaves has. */
export function rangeLength(size: number): number {
  let ones = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2
  return ones
}

/** Root of a tree, RFC 6962 §2.1: the right part of each split is what is smaller. */
export function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  let root: Uint8Array | undefined
  for (const hash of hashes.toReversed()) root = root ? nodeHash(hash, root) : hash
  return root ?? emptyRoot()
}

const NOTHING: readonly Subtree[] = []

/** @throws {Error} when the hashes cannot be those of a tree of that size: whoever stored them is broken. */
export function growRange(from: Range = { size: 0, hashes: [] }): GrowingRange {
  if (!Number.isSafeInteger(from.size) || from.size < 0)
    throw new Error('a tree has 0 leaves or more')
  if (from.hashes.length !== rangeLength(from.size))
    throw new Error(`a tree of ${from.size} leaves has ${rangeLength(from.size)} complete subtrees`)
  if (from.hashes.some((hash) => hash.length !== HASH_BYTES))
    throw new Error('a hash of a range has 32 bytes')
  let { size } = from
  const hashes = [...from.hashes]

  return {
    size: () => size,
    hashes: () => [...hashes],
    root: () => rootOf(hashes),
    append(leaf) {
      if (leaf.length !== HASH_BYTES) throw new Error('the hash of a leaf has 32 bytes')
      let completed: Subtree[] | undefined
      let hash = leaf
      let level = 0
      // Each bit of the old size that is 1 from the right on is a complete subtree that now finds its pair.
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
        const left = hashes.pop()
        if (!left) throw new Error('a range is shorter than its size says')
        hash = nodeHash(left, hash)
        level += 1
        if (STORED_LEVELS.includes(level))
          (completed ??= []).push({ level, n: (rest - 1) / 2, hash })
      }
      hashes.push(hash)
      size += 1
      return completed ?? NOTHING
    },
  }
}
