import { createSecretKey, hash, type KeyObject, randomBytes } from 'node:crypto'
import { pack, unpack } from 'msgpackr'
import { z } from 'zod'
import type { WrappedKey } from '../pdp/contract/record.ts'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { decrypt, encrypt, KEY_BYTES } from './envelope.ts'
import type { MasterKey } from './master-key.ts'

/**
 * Data keys are wrapped by a key of the process, and that one by the master key: so a key service is asked once in the
 * life of a process, and wrapping a data key is a matter of microseconds. A wrapped data key holds all that is needed
 * but the master key: msgpack of [1, wrapped process key, nonce ‖ AES-256-GCM(data key) ‖ tag].
 */
const layout = z.tuple([z.literal(1), z.instanceof(Uint8Array), z.instanceof(Uint8Array)])

/** Whose key it is. Authenticated: a wrapped key cannot be put in another's place. */
export type KeyOwner = Pick<WrappedKey, 'id' | 'session_id' | 'connection'>

export type Wrapper = {
  readonly wrap: (owner: KeyOwner, secret: Uint8Array) => Uint8Array
}

/** @throws {Error} when the master key cannot be used. */
export async function createWrapper(master: MasterKey): Promise<Wrapper> {
  const secret = randomBytes(KEY_BYTES)
  const wrapped = await master.wrap(secret)
  const key = createSecretKey(secret)
  return { wrap: (owner, data) => pack([1, wrapped, encrypt(key, aadOf(owner), data)]) }
}

export type Unwrapper = {
  /** @returns the data key, or a sentence that says why it cannot be had. */
  readonly unwrap: (key: WrappedKey) => Promise<Result<Uint8Array, string>>
}

/** Most process keys that are kept unwrapped; the oldest goes. */
const MAX_KEPT = 1024

/** Unwraps data keys; asks the master key once for each process that wrapped some. */
export function createUnwrapper(master: Pick<MasterKey, 'unwrap'>): Unwrapper {
  const kept = new Map<string, Promise<Result<KeyObject, string>>>()

  function processKey(wrapped: Uint8Array): Promise<Result<KeyObject, string>> {
    const name = hash('sha256', wrapped, 'hex')
    const known = kept.get(name)
    if (known) return known
    const asked = master.unwrap(wrapped).then((secret) => {
      // What failed may work the next time: the service is back, the key is configured.
      if (!secret.ok) kept.delete(name)
      return secret.ok ? ok(createSecretKey(secret.value)) : secret
    })
    const [oldest] = kept.keys()
    if (oldest !== undefined && kept.size >= MAX_KEPT) kept.delete(oldest)
    kept.set(name, asked)
    return asked
  }

  return {
    async unwrap(key) {
      const read = layout.safeParse(unpacked(key.wrapped))
      if (!read.success) return err('the wrapped key is damaged')
      const [, wrapped, sealed] = read.data
      const opened = await processKey(wrapped)
      if (!opened.ok) return opened
      const secret = decrypt(opened.value, aadOf(key), sealed)
      return secret.ok
        ? secret
        : err('the wrapped key was altered, or is the key of another session')
    },
  }
}

const aadOf = ({ id, session_id, connection }: KeyOwner): string =>
  JSON.stringify(['countersign/key/v1', id, session_id, connection])

function unpacked(bytes: Uint8Array): unknown {
  try {
    return unpack(bytes)
  } catch {
    return undefined
  }
}
