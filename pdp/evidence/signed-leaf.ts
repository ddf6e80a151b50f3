import type { Checkpointer } from './checkpointer.ts'
import type { LogStore, StoredLeaf } from './log-store.ts'
import { leafHash, sameHash } from './merkle/hash.ts'
import { inclusionProof } from './merkle/proof.ts'
import { isIncluded } from './merkle/verify.ts'

/**
 * A leaf that a checkpoint of this service covers. What only stands in the table proves nothing: a row may be put there
 * beside the log, used, and taken away again without a trace.
 * @returns `undefined` when there is none of that index in the log, and also while nothing may be signed.
 * @throws whatever the store says.
 */
export async function signedLeaf(
  log: Pick<LogStore, 'leaves' | 'hashes'>,
  checkpoints: Pick<Checkpointer, 'flush'>,
  index: number,
): Promise<StoredLeaf | undefined> {
  const signed = await checkpoints.flush()
  if (!signed || index >= signed.size) return undefined
  const [leaf] = await log.leaves(index, 1)
  if (leaf?.index !== index || !sameHash(leafHash(leaf.leaf), leaf.hash)) return undefined
  const { size, root } = signed
  const proof = await inclusionProof(log.hashes, index, size)
  return isIncluded({ index, size, leaf: leaf.hash, root, proof }) ? leaf : undefined
}
