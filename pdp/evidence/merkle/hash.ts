import { hash } from 'node:crypto'

/** Hashes of RFC 6962 §2.1: SHA-256, a leaf and a node under a prefix of their own so that neither passes for the other. */

export const HASH_BYTES = 32

const LEAF_PREFIX = '\0'
const NODE_PREFIX = 1

/**
 * Hash of a leaf: SHA-256(0x00 ‖ UTF-8 of the text).
 * @param text well-formed; text with a lone surrogate hashes as with U+FFFD in its place, so whoever reads leaves
 *   from outside has to refuse it.
 */
export const leafHash = (text: string): Uint8Array => hash('sha256', LEAF_PREFIX + text, 'buffer')

// Hashing is synchronous, so that one place for the input serves every call.
const pair = new Uint8Array(1 + 2 * HASH_BYTES)
pair[0] = NODE_PREFIX

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right). Both are 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES)
    throw new Error('a node is made of two hashes of 32 bytes')
  pair.set(left, 1)
  pair.set(right, 1 + HASH_BYTES)
  return hash('sha256', pair, 'buffer')
}

/** Root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot = (): Uint8Array => hash('sha256', '', 'buffer')

/** Whether two hashes are the same. Not in constant time: nothing here is secret. */
export const sameHash = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
