import { createPrivateKey, createPublicKey, hash, sign } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { LeafBody, LogStore, SignedCheckpoint, StoredLeaf } from './log-store.ts'
import { leafHash } from './merkle/hash.ts'
import { growRange, type Range, STORED_LEVELS } from './merkle/range.ts'
import {
  COSIGNATURE,
  cosignature,
  cosignedMessage,
  ED25519,
  type KeyType,
  signatureLine,
  type VerifierKey,
  verifierKey,
} from './note.ts'
import type { Signer } from './signer.ts'

/** A log in memory, and keys from fixed seeds, for tests. */

/** What a superuser of a database could do to it: everything. */
export type MemoryRows = {
  leaves: StoredLeaf[]
  /** Hashes by level. */
  hashes: Map<number, Uint8Array[]>
  head: Range & { readonly logged_ms: number }
  checkpoints: SignedCheckpoint[]
}

export type MemoryStore = LogStore & {
  readonly rows: MemoryRows
  /** A copy that goes its own way: a backup. */
  readonly copy: () => MemoryStore
}

export function createMemoryStore(now: () => number = Date.now, from?: MemoryRows): MemoryStore {
  const rows: MemoryRows = from ?? {
    leaves: [],
    hashes: new Map([0, ...STORED_LEVELS].map((level) => [level, []])),
    head: { size: 0, hashes: [], logged_ms: 0 },
    checkpoints: [],
  }
  return {
    rows,
    copy: () => createMemoryStore(now, structuredCloneOf(rows)),
    head: () =>
      Promise.resolve({
        size: rows.head.size,
        range: rows.head.hashes,
        logged_ms: rows.head.logged_ms,
      }),
    hashes: (level, from, to) => Promise.resolve((rows.hashes.get(level) ?? []).slice(from, to)),
    leaves: (from, limit) => {
      const at = rows.leaves.findIndex(({ index }) => index >= from)
      return Promise.resolve(at === -1 ? [] : rows.leaves.slice(at, at + limit))
    },
    append(bodies) {
      const range = growRange(rows.head)
      const from = range.size()
      const logged_ms = Math.max(now(), rows.head.logged_ms)
      for (const body of bodies) {
        const leaf = canonicalLeaf({ ...body, logged_ms })
        const hash = leafHash(leaf)
        rows.leaves.push({ index: range.size(), leaf, hash })
        rows.hashes.get(0)?.push(hash)
        for (const { level, hash: subtree } of range.append(hash))
          rows.hashes.get(level)?.push(subtree)
      }
      rows.head = { size: range.size(), hashes: range.hashes(), logged_ms }
      return Promise.resolve({ from })
    },
    newestKeyLeaf: () =>
      Promise.resolve(
        rows.leaves.findLast(({ leaf }) => (JSON.parse(leaf) as LeafBody).kind === 'key')?.leaf,
      ),
    checkpoints: {
      newest: () => Promise.resolve(rows.checkpoints.at(-1)),
      add(checkpoint) {
        if (!rows.checkpoints.some(({ size }) => size === checkpoint.size))
          rows.checkpoints = [...rows.checkpoints, checkpoint].sort((a, b) => a.size - b.size)
        return Promise.resolve()
      },
      cosign(size, line) {
        rows.checkpoints = rows.checkpoints.map((one) =>
          one.size === size && !one.note.includes(line)
            ? { ...one, note: `${one.note}${line}\n` }
            : one,
        )
        return Promise.resolve()
      },
      between: (from, to, limit) =>
        Promise.resolve(
          rows.checkpoints.filter(({ size }) => size >= from && size <= to).slice(0, limit),
        ),
      before: (time_ms) =>
        Promise.resolve(rows.checkpoints.findLast(({ at_ms }) => at_ms <= time_ms)),
    },
  }
}

const structuredCloneOf = ({ leaves, hashes, head, checkpoints }: MemoryRows): MemoryRows => ({
  leaves: [...leaves],
  hashes: new Map([...hashes].map(([level, row]) => [level, [...row]])),
  head,
  checkpoints: [...checkpoints],
})

/** @throws {Error} for a value that is no JSON. */
export function canonicalLeaf(leaf: object): string {
  const text = canonicalize(leaf)
  if (text === undefined) throw new Error('a leaf is a JSON object')
  return text
}

/** A frame of an enforcement point, as small as a leaf can be. */
export const testLeaf = (seq: number, more: Readonly<Record<string, unknown>> = {}): LeafBody => ({
  v: 1,
  kind: 'event',
  time_ms: 1_700_000_000_000 + seq,
  source: { pep: 'pep-1', epoch: 'e1', seq },
  name: 'pep.alive',
  detail: {},
  ...more,
})

/** A key that follows from its name, so that its signatures are the same in every run. Never one to trust. */
export function testKey(
  name: string,
  type: KeyType = ED25519,
  seed = `test key of ${name}`,
): TestKey {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  const der = Buffer.concat([prefix, hash('sha256', seed, 'buffer')])
  const secret = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x = '' } = createPublicKey(secret).export({ format: 'jwk' })
  const key = verifierKey(name, Buffer.from(x, 'base64url'), type)
  const signBytes = (text: string): Uint8Array => sign(null, Buffer.from(text), secret)
  return {
    key,
    pem: secret.export({ format: 'pem', type: 'pkcs8' }),
    sign: (text) => Promise.resolve(signBytes(text)),
    line: (text, time_s = 0) =>
      type === COSIGNATURE
        ? signatureLine(key, cosignature(time_s, signBytes(cosignedMessage(text, time_s))))
        : signatureLine(key, signBytes(text)),
  }
}

export type TestKey = Signer & {
  readonly key: VerifierKey
  readonly pem: string
  /** Its signature line of a note's text. */
  readonly line: (text: string, time_s?: number) => string
}
