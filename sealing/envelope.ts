import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomFillSync,
} from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { err, ok, type Result } from '../pdp/contract/result.ts'

/**
 * One sealed piece: nonce (12) ‖ AES-256-GCM of (compression (1) ‖ bytes) ‖ tag (16). What is authenticated besides
 * says under which key and for what use it was sealed, so that no piece stands for another.
 */
const NONCE_BYTES = 12
const TAG_BYTES = 16
export const KEY_BYTES = 32

const PLAIN = Buffer.of(0)
const ZSTD = Buffer.of(1)
/** Shorter ones are hardly made smaller. */
const COMPRESS_FROM_BYTES = 4096
/** Most bytes of a piece that was made smaller; a frame's payload is bounded by the same. */
const MAX_BYTES = 256 * 1024 * 1024
const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }

/** The two keys that come of a data key. Neither tells the other. */
export type ContentKey = {
  /** 16 random bytes, hex. */
  readonly id: string
  readonly sealing: KeyObject
  readonly committing: KeyObject
}

/** What a piece is: a record's content, what the client calls its session, or the block with this id. */
export type Use = 'record' | 'label' | `block ${string}`

/** @param secret the data key, 32 bytes. */
export function contentKey(id: string, secret: Uint8Array): ContentKey {
  // HKDF-SHA256, RFC 5869.
  const derive = (purpose: string): KeyObject =>
    createSecretKey(
      Buffer.from(hkdfSync('sha256', secret, '', `countersign/${purpose}/v1`, KEY_BYTES)),
    )
  return { id, sealing: derive('seal'), committing: derive('commit') }
}

/** Seals one piece. */
export function seal(key: ContentKey, use: Use, bytes: Uint8Array): Buffer {
  const smaller = bytes.length < COMPRESS_FROM_BYTES ? bytes : zstdCompressSync(bytes, fast)
  return smaller.length < bytes.length
    ? encrypt(key.sealing, aadOf(key, use), ZSTD, smaller)
    : encrypt(key.sealing, aadOf(key, use), PLAIN, bytes)
}

/**
 * The same as `seal`, of bytes that stand behind one that is free: most records are small, and two calls for two pieces
 * are a tenth of what sealing them costs.
 */
export function sealBehind(key: ContentKey, use: Use, roomy: Uint8Array): Buffer {
  if (roomy.length > COMPRESS_FROM_BYTES) return seal(key, use, roomy.subarray(1))
  roomy.set(PLAIN, 0)
  return encrypt(key.sealing, aadOf(key, use), roomy)
}

/** @returns the bytes, or why they cannot be had: sealed under another key or for another use, or altered. */
export function open(key: ContentKey, use: Use, sealed: Uint8Array): Result<Buffer, string> {
  const opened = decrypt(key.sealing, aadOf(key, use), sealed)
  if (!opened.ok) return opened
  const [compression] = opened.value
  const bytes = opened.value.subarray(1)
  if (compression === PLAIN[0]) return ok(bytes)
  if (compression !== ZSTD[0]) return err('it is sealed in a way that is not known here')
  try {
    return ok(zstdDecompressSync(bytes, { maxOutputLength: MAX_BYTES }))
  } catch {
    return err('it cannot be decompressed')
  }
}

/**
 * HMAC-SHA256 over `label ‖ 0x00 ‖ bytes`, hex. Who has the key can show what was meant; without it no guess can be
 * tested, however few there are.
 */
export function commitment(key: ContentKey, label: string, bytes: Uint8Array): string {
  return createHmac('sha256', key.committing).update(`${label}\0`).update(bytes).digest('hex')
}

const aadOf = (key: ContentKey, use: Use): string => `countersign/seal/v1 ${key.id} ${use}`

/** Random bytes for many nonces at once: asking for each alone costs as much as sealing. */
const nonces = Buffer.alloc(NONCE_BYTES * 512)
let nextAt = nonces.length

function nextNonce(): Buffer {
  if (nextAt === nonces.length) {
    randomFillSync(nonces)
    nextAt = 0
  }
  nextAt += NONCE_BYTES
  return nonces.subarray(nextAt - NONCE_BYTES, nextAt)
}

/** nonce ‖ AES-256-GCM(parts) ‖ tag. */
export function encrypt(key: KeyObject, aad: string, ...parts: readonly Uint8Array[]): Buffer {
  const nonce = nextNonce()
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(aad))
  const sealed = parts.map((part) => cipher.update(part))
  cipher.final()
  return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()])
}

/** What `encrypt` made. */
export function decrypt(key: KeyObject, aad: string, sealed: Uint8Array): Result<Buffer, string> {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return err('it is cut off')
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(aad))
  decipher.setAuthTag(sealed.subarray(end))
  try {
    const bytes = decipher.update(sealed.subarray(NONCE_BYTES, end))
    decipher.final()
    return ok(bytes)
  } catch {
    // Fail closed: nothing of what does not verify is shown.
    return err('it was sealed under another key, or altered')
  }
}
