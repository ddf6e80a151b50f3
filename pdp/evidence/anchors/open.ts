import { z } from 'zod'
import { readSecret, secretSource } from '../../../server/secret.ts'
import { err, ok, type Result } from '../../contract/result.ts'
import type { LogStore } from '../log-store.ts'
import { COSIGNATURE, parseVerifierKey } from '../note.ts'
import type { Anchor, AnchorParts } from './anchor.ts'
import { fileAnchor } from './file.ts'
import { urlAnchor } from './url.ts'
import { witnessAnchor } from './witness.ts'

const every_s = z.number().positive().max(86_400).default(60)
const url = z.url({ protocol: /^https?$/ })

/** Where checkpoints go outside. Each is of one kind: `file`, `url` or `witness`. */
export const anchorConfig = z.union([
  z.strictObject({ file: z.string().min(1), every_s }),
  z.strictObject({ url, token: secretSource.optional(), every_s }),
  z.strictObject({
    /** The submission prefix of a witness: C2SP tlog-witness. */
    witness: url,
    /** Its verifier key, of type 4: `<name>+<id>+<base64>`. */
    public_key: z.string().min(1),
    every_s,
  }),
])
export type AnchorConfig = z.infer<typeof anchorConfig>

export type OpenAnchorParts = AnchorParts & {
  readonly store: LogStore
  /** The environment as the process was started with. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** @returns a sentence that says which one is wrong. */
export function openAnchor(
  config: AnchorConfig,
  { store, env, ...parts }: OpenAnchorParts,
): Result<Anchor, string> {
  const every_ms = config.every_s * 1000
  if ('file' in config)
    return ok(fileAnchor({ ...parts, name: config.file, path: config.file, every_ms }))
  if ('url' in config) {
    const url = new URL(config.url)
    const { token } = config
    const read = async (): Promise<string> => {
      const secret = token ? await readSecret(token, env) : err('there is none')
      if (!secret.ok) throw new Error(`the anchor's token: ${secret.error}`)
      return secret.value.value
    }
    return ok(urlAnchor({ ...parts, name: url.host, url, every_ms, ...(token && { token: read }) }))
  }
  const key = parseVerifierKey(config.public_key)
  if (!key.ok) return key
  if (key.value.type !== COSIGNATURE)
    return err(`public_key of witness ${key.value.name} is not of type 4`)
  const witness = { name: key.value.name, url: new URL(config.witness), key: key.value }
  return ok(witnessAnchor({ ...parts, ...witness, store, every_ms }))
}
