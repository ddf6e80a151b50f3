import type { Tree } from './known.ts'
import type { LogStore } from './log-store.ts'
import { emptyRoot, sameHash } from './merkle/hash.ts'
import { consistencyProof } from './merkle/proof.ts'
import { rangeLength, rootOf } from './merkle/range.ts'
import { isConsistent } from './merkle/verify.ts'

/** What a log is to a tree that was signed before. */
export type Relation = 'extends' | 'rolled_back' | 'forked'

/** The tree that the head row speaks of. @throws {Error} when the row does not fit itself. */
export async function headTree(store: Pick<LogStore, 'head'>): Promise<Tree> {
  const { size, range } = await store.head()
  if (range.length !== rangeLength(size))
    throw new Error(`the head row says ${size} leaves and holds ${range.length} hashes`)
  return { size, root: size === 0 ? emptyRoot() : rootOf(range) }
}

/**
 * Whether the tree of the head row extends one that was signed before, shown by a proof that is made from the rows
 * and checked against both roots: rows that were changed do not fit.
 * @throws whatever the store says; then nobody knows.
 */
export async function relationOf(
  store: Pick<LogStore, 'hashes'>,
  before: Tree,
  head: Tree,
): Promise<Relation> {
  if (head.size < before.size) return 'rolled_back'
  if (head.size === before.size) return sameHash(head.root, before.root) ? 'extends' : 'forked'
  const proof = await consistencyProof(store.hashes, before.size, head.size)
  return isConsistent({ first: before, second: head, proof }) ? 'extends' : 'forked'
}
