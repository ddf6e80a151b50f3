import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { err, ok, type Result } from '../contract/result.ts'

/** Signed notes and their keys: C2SP signed-note, with the signature types 0x01 (Ed25519) and 0x04 (tlog-cosignature). */

/** A signature over the text alone. */
export const ED25519 = 0x01
/** A witness's: over the text and the time at which it was given. */
export const COSIGNATURE = 0x04
export type KeyType = typeof ED25519 | typeof COSIGNATURE

export type VerifierKey = {
  readonly name: string
  /** First four bytes of a hash of name, type and key, as 8 hex digits: tells keys apart, proves nothing. */
  readonly id: string
  readonly type: KeyType
  readonly key: KeyObject
  /** `<name>+<id>+<base64 of type and key>`, as people exchange it. */
  readonly vkey: string
}

export type NoteSignature = {
  readonly name: string
  readonly id: string
  /** Without the key's id. */
  readonly signature: Uint8Array
  readonly line: string
}

export type SignedNote = {
  /** With the newline at its end. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A signature that holds. `time_s` is what a witness says, seconds since the epoch. */
export type Verified = {
  readonly key: VerifierKey
  readonly line: string
  readonly time_s?: number
}

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const TIME_BYTES = 8
const ID_BYTES = 4
const MOST_SIGNATURES = 100
const MOST_CHARS = 1_000_000
const DASH = '\u2014'

/** Names of keys: not empty, no white space of Unicode, no plus. */
export const isKeyName = (name: string): boolean =>
  name !== '' && name.isWellFormed() && !/[\s\u0085\p{Z}\p{Cc}+]/u.test(name)

/**
 * @param publicKey 32 bytes, RFC 8032.
 * @throws {Error} for a name that no key may have, or a key of another length.
 */
export function verifierKey(
  name: string,
  publicKey: Uint8Array,
  type: KeyType = ED25519,
): VerifierKey {
  if (!isKeyName(name)) throw new Error(`${JSON.stringify(name)} is no name for a key`)
  if (publicKey.length !== KEY_BYTES) throw new Error('an Ed25519 key has 32 bytes')
  const encoded = Buffer.concat([Buffer.of(type), publicKey])
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), encoded]), 'buffer')
    .subarray(0, ID_BYTES)
    .toString('hex')
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return { name, id, type, key, vkey: `${name}+${id}+${encoded.toString('base64')}` }
}

/** Reads `<name>+<id>+<base64>`. @returns a sentence that says what is wrong with it. */
export function parseVerifierKey(text: string): Result<VerifierKey, string> {
  const [, name = '', id = '', base64 = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text) ?? []
  const encoded = fromBase64(base64)
  if (!isKeyName(name) || !encoded)
    return err('a verifier key reads <name>+<8 hex digits>+<base64>')
  const type = encoded[0]
  if (type !== ED25519 && type !== COSIGNATURE)
    return err(`the verifier key of ${name} is of a type that is not known`)
  if (encoded.length !== 1 + KEY_BYTES)
    return err(`the verifier key of ${name} does not have 32 bytes`)
  const key = verifierKey(name, encoded.subarray(1), type)
  return key.id === id
    ? ok(key)
    : err(`the verifier key of ${name} and its id do not belong together`)
}

/** Takes a note apart, strictly; nothing in it is to be believed before `verifyNote`. */
export function parseNote(note: string): Result<SignedNote, string> {
  if (note.length > MOST_CHARS) return err('the note is too long')
  // eslint-disable-next-line no-control-regex -- The format forbids exactly these.
  if (!note.isWellFormed() || /[\0-\u0009\u000b-\u001f]/u.test(note))
    return err('the note holds characters that no note may hold')
  const blank = note.lastIndexOf('\n\n')
  if (blank === -1 || !note.endsWith('\n')) return err('the note has no text and signatures')
  const lines = note.slice(blank + 2, -1).split('\n')
  if (lines.length > MOST_SIGNATURES) return err('the note has too many signatures')
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const signature = parseSignatureLine(line)
    if (!signature) return err('the note has a line among its signatures that is none')
    signatures.push(signature)
  }
  return ok({ text: note.slice(0, blank + 1), signatures })
}

/**
 * Takes notes apart that stand one after the other, as an anchor's file has them. Only for notes whose text holds no
 * empty line, as checkpoints.
 * @returns each note; what is no whole one, such as what a crash left unfinished, comes as it is and fails to parse.
 */
export function splitNotes(text: string): string[] {
  const notes: string[] = []
  let open: string | undefined
  for (const block of text.split(/\n{2,}/)) {
    const lines = block.replace(/^\n|\n$/g, '')
    if (lines === '') continue
    if (open !== undefined && lines.split('\n').every((line) => line.startsWith(`${DASH} `))) {
      notes.push(`${open}\n\n${lines}\n`)
      open = undefined
    } else {
      if (open !== undefined) notes.push(open)
      open = lines
    }
  }
  return open === undefined ? notes : [...notes, open]
}

/** @param line without its newline. */
export function parseSignatureLine(line: string): NoteSignature | undefined {
  const [dash, name = '', base64 = '', ...rest] = line.split(' ')
  const bytes = fromBase64(base64)
  if (dash !== DASH || !isKeyName(name) || rest.length > 0 || !bytes || bytes.length <= ID_BYTES)
    return undefined
  const id = bytes.subarray(0, ID_BYTES).toString('hex')
  return { name, id, signature: bytes.subarray(ID_BYTES), line }
}

/** @param signature what the key made: 64 bytes, or a time and 64 bytes for a cosignature. @returns no newline. */
export function signatureLine(key: VerifierKey, signature: Uint8Array): string {
  const bytes = Buffer.concat([Buffer.from(key.id, 'hex'), signature])
  return `${DASH} ${key.name} ${bytes.toString('base64')}`
}

/** @param text with the newline at its end. */
export const formatNote = (text: string, lines: readonly string[]): string =>
  `${text}\n${lines.join('\n')}\n`

/** What a witness signs at a time, seconds since the epoch: tlog-cosignature, "Ed25519 signed message". */
export const cosignedMessage = (text: string, time_s: number): string =>
  `cosignature/v1\ntime ${time_s}\n${text}`

/** A cosignature as it stands in a note: the time in front. @param signature over `cosignedMessage`. */
export function cosignature(time_s: number, signature: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(TIME_BYTES + signature.length)
  bytes.writeBigUInt64BE(BigInt(time_s))
  bytes.set(signature, TIME_BYTES)
  return bytes
}

export type NoteFault = 'malformed' | 'bad_signature' | 'unknown_key'

/**
 * Checks every signature of a known key; those of unknown keys are passed over, as the format wants it.
 * @returns who signed, at least one; or that a known key's signature does not hold, or that no known key signed.
 */
export function verifyNote(
  note: string,
  keys: readonly VerifierKey[],
): Result<{ readonly text: string; readonly by: readonly Verified[] }, NoteFault> {
  const parsed = parseNote(note)
  if (!parsed.ok) return err('malformed')
  const { text, signatures } = parsed.value
  const by: Verified[] = []
  for (const signature of signatures) {
    // Two keys may share name and id by design of somebody: it holds when it holds under one of them.
    const candidates = keys.filter(({ name, id }) => name === signature.name && id === signature.id)
    if (candidates.length === 0) continue
    const verified = candidates.map((key) => verifySignature(text, signature, key)).find(Boolean)
    if (!verified) return err('bad_signature')
    by.push(verified)
  }
  return by.length > 0 ? ok({ text, by }) : err('unknown_key')
}

/** @returns `undefined` when it does not hold. */
export function verifySignature(
  text: string,
  { signature, line }: NoteSignature,
  key: VerifierKey,
): Verified | undefined {
  if (key.type === ED25519)
    return signature.length === SIGNATURE_BYTES && holds(text, signature, key)
      ? { key, line }
      : undefined
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined
  const time = Buffer.from(signature).readBigUInt64BE()
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const time_s = Number(time)
  return holds(cosignedMessage(text, time_s), signature.subarray(TIME_BYTES), key)
    ? { key, line, time_s }
    : undefined
}

const holds = (message: string, signature: Uint8Array, { key }: VerifierKey): boolean =>
  verify(null, Buffer.from(message), key, signature)

/** @returns `undefined` for what is no base64 as RFC 4648 §4 writes it, padding and all. */
function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined
}
