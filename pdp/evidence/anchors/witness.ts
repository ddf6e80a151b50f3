import type { LogStore, SignedCheckpoint } from '../log-store.ts'
import { consistencyProof } from '../merkle/proof.ts'
import {
  COSIGNATURE,
  parseNote,
  parseSignatureLine,
  type VerifierKey,
  verifySignature,
} from '../note.ts'
import { type Anchor, type AnchorParts, createAnchor } from './anchor.ts'
import { type Answer, post } from './post.ts'

export type WitnessOptions = AnchorParts & {
  readonly name: string
  /** The submission prefix: `/add-checkpoint` is put behind it. */
  readonly url: URL
  /** Of type 0x04. */
  readonly key: VerifierKey
  readonly store: Pick<LogStore, 'head' | 'hashes' | 'checkpoints'>
  readonly every_ms: number
  readonly backoff_ms?: number
}

/** A witness's clock may be so far ahead. */
const AHEAD_S = 300

/**
 * Has a witness cosign checkpoints: C2SP tlog-witness. It remembers the newest and cosigns only what extends it, so
 * that its cosignature tells whoever trusts it that there is no other log of this name. It is kept with the checkpoint.
 */
export function witnessAnchor({ url, key, store, ...options }: WitnessOptions): Anchor {
  const { now = Date.now } = options
  if (key.type !== COSIGNATURE) throw new Error(`the key of witness ${key.name} is not of type 4`)
  const target = new URL(`${url.pathname.replace(/\/$/, '')}/add-checkpoint`, url)
  /** What the witness cosigned last, as far as is known here; it says so itself when this is wrong. */
  let known = 0

  async function submit(
    checkpoint: SignedCheckpoint,
    old: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const proof = await consistencyProof(store.hashes, old, checkpoint.size)
    const lines = proof.map((hash) => Buffer.from(hash).toString('base64'))
    const body = `${[`old ${old}`, ...lines].join('\n')}\n\n${checkpoint.note}`
    return post(target, body, { signal })
  }

  async function deliver(checkpoint: SignedCheckpoint, signal: AbortSignal): Promise<void> {
    if (known > checkpoint.size) return ahead(known)
    const first = await submit(checkpoint, known, signal)
    if (first.status !== 409) return take(checkpoint, first)
    const size = sizeOf(first)
    if (size === undefined || size === known)
      return fault('forked', `the witness has another tree of ${known} leaves`)
    if (size > checkpoint.size) return ahead(size)
    const second = await submit(checkpoint, size, signal)
    if (second.status === 409) {
      // Another process was faster, or the tree it has of that size is not ours.
      const again = sizeOf(second)
      if (again === undefined || again === size)
        return fault('forked', `the witness has another tree of ${size} leaves`)
      known = again
      throw new Error('the witness took another checkpoint meanwhile')
    }
    return take(checkpoint, second)
  }

  /** It has a larger tree than the checkpoint: another process's, or one that the database has lost. */
  async function ahead(size: number): Promise<void> {
    const head = await store.head()
    if (head.size < size)
      fault('rolled_back', `the witness cosigned ${size} leaves, and the log has ${head.size}`)
    // Nothing to deliver: what it has covers this checkpoint, as soon as a newer one of ours shows it.
    known = size
  }

  async function take(checkpoint: SignedCheckpoint, { status, text }: Answer): Promise<void> {
    if (status === 422) fault('forked', 'the witness finds that the log is not what it was')
    if (status !== 200) throw new Error(`the witness answers ${status}`)
    const note = parseNote(checkpoint.note)
    if (!note.ok) throw new Error(note.error)
    for (const line of text.split('\n')) {
      const signature = parseSignatureLine(line)
      if (!signature || signature.name !== key.name || signature.id !== key.id) continue
      const verified = verifySignature(note.value.text, signature, key)
      if (!verified) throw new Error('the cosignature of the witness does not hold')
      if ((verified.time_s ?? 0) > now() / 1000 + AHEAD_S)
        throw new Error('the cosignature of the witness is of the future')
      await store.checkpoints.cosign(checkpoint.size, line)
      known = checkpoint.size
      return
    }
    throw new Error(`the witness gave no cosignature of ${key.name}`)
  }

  /** A witness saw what this machine cannot see any more: that is told as loudly as one's own finding. */
  function fault(code: 'forked' | 'rolled_back', message: string): never {
    options.log('error', `evidence.${code}`, { witness: key.name, error: message })
    throw new Error(`${code}: ${message}`)
  }

  return createAnchor({ ...options, kind: 'witness', deliver })
}

/** What a 409 says that the witness has; `undefined` when it says nothing. */
function sizeOf({ type, text }: Answer): number | undefined {
  const size = Number(text.trim())
  return type.startsWith('text/x.tlog.size') && /^\d+\n?$/.test(text) && Number.isSafeInteger(size)
    ? size
    : undefined
}
