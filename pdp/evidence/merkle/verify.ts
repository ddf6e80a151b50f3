import { emptyRoot, HASH_BYTES, nodeHash, sameHash } from './hash.ts'

/** Checks of proofs as RFC 9162 §2.1.3.2 and §2.1.4.2 write them down. They say no to whatever is not exactly right. */

export type Inclusion = {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Whether a leaf is at an index of the tree with that root. */
export function isIncluded({ index, size, leaf, root, proof }: Inclusion): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...proof]))
    return false
  let [at, last] = [index, size - 1]
  let hash = leaf
  for (const beside of proof) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(beside, hash)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, half(last)]
    } else hash = nodeHash(hash, beside)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && sameHash(hash, root)
}

export type Consistency = {
  readonly first: { readonly size: number; readonly root: Uint8Array }
  readonly second: { readonly size: number; readonly root: Uint8Array }
  readonly proof: readonly Uint8Array[]
}

/** Whether the second tree is the first with leaves appended, or the same. */
export function isConsistent({ first, second, proof }: Consistency): boolean {
  if (!isCount(first.size) || !isCount(second.size) || first.size > second.size) return false
  if (!areHashes([first.root, second.root, ...proof])) return false
  if (first.size === second.size) return proof.length === 0 && sameHash(first.root, second.root)
  if (first.size === 0) return proof.length === 0 && sameHash(first.root, emptyRoot())

  let [at, last] = [first.size - 1, second.size - 1]
  while (at % 2 === 1) [at, last] = [half(at), half(last)]
  // When the first tree is complete its root is where the proof begins, and is left out of it.
  const [begin, ...rest] = at === 0 ? [first.root, ...proof] : proof
  if (!begin || proof.length === 0) return false
  let [firstRoot, secondRoot] = [begin, begin]
  for (const beside of rest) {
    if (last === 0) return false
    if (at % 2 === 1 || at === last) {
      firstRoot = nodeHash(beside, firstRoot)
      secondRoot = nodeHash(beside, secondRoot)
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, half(last)]
    } else secondRoot = nodeHash(secondRoot, beside)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && sameHash(firstRoot, first.root) && sameHash(secondRoot, second.root)
}

const half = (n: number): number => Math.floor(n / 2)
const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every((hash) => hash.length === HASH_BYTES)
