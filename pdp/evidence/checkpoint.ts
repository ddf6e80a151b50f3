import { err, ok, type Result } from '../contract/result.ts'
import { HASH_BYTES } from './merkle/hash.ts'
import {
  ED25519,
  type NoteFault,
  parseNote,
  type Verified,
  type VerifierKey,
  verifyNote,
} from './note.ts'

/** What a checkpoint says: C2SP tlog-checkpoint. Ours have no extension lines; those of others are kept as they are. */
export type Checkpoint = {
  /** Names the log. */
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** Text of a note, with the newline at its end. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`

/** Reads the text of a note as a checkpoint, strictly. */
export function parseCheckpointText(text: string): Result<Checkpoint, string> {
  const lines = text.split('\n')
  const [origin = '', digits = '', base64 = ''] = lines
  // The text ends in a newline, so that what follows the last is empty; no other line may be.
  if (lines.length < 4 || lines.pop() !== '' || lines.includes(''))
    return err('a checkpoint has three lines or more, none of them empty')
  const size = Number(digits)
  if (!/^(0|[1-9][0-9]*)$/.test(digits) || !Number.isSafeInteger(size))
    return err('the second line of a checkpoint is the size of the tree')
  const root = Buffer.from(base64, 'base64')
  if (root.length !== HASH_BYTES || root.toString('base64') !== base64)
    return err('the third line of a checkpoint is the root, 32 bytes in base64')
  return ok({ origin, size, root })
}

/** Reads a signed checkpoint without believing it. */
export function readCheckpoint(note: string): Result<Checkpoint, string> {
  const parsed = parseNote(note)
  return parsed.ok ? parseCheckpointText(parsed.value.text) : parsed
}

export type CheckpointFault = NoteFault | 'wrong_origin'

/**
 * A checkpoint that a known key of the log signed.
 * @param keys of the log and, beside them, of witnesses; a witness alone does not make a checkpoint.
 * @param origin when it is given, the log that it has to be of.
 */
export function openCheckpoint(
  note: string,
  keys: readonly VerifierKey[],
  origin?: string,
): Result<Checkpoint & { readonly by: readonly Verified[] }, CheckpointFault> {
  const verified = verifyNote(note, keys)
  if (!verified.ok) return verified
  const checkpoint = parseCheckpointText(verified.value.text)
  if (!checkpoint.ok) return err('malformed')
  const { by } = verified.value
  if (origin !== undefined && checkpoint.value.origin !== origin) return err('wrong_origin')
  // A key is of the log it is named after: the key of another log that happens to be known signs nothing here.
  if (!by.some(({ key }) => key.type === ED25519 && key.name === checkpoint.value.origin))
    return err('unknown_key')
  return ok({ ...checkpoint.value, by })
}
