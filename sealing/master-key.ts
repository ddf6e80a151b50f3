import { createHmac, createSecretKey } from 'node:crypto'
import { pack, unpack } from 'msgpackr'
import { z } from 'zod'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { readSecret, secretSource } from '../server/secret.ts'
import { decrypt, encrypt, KEY_BYTES } from './envelope.ts'
import { runWithInput } from '../server/run.ts'

/** What wraps keys, and is never itself on the same disk as what it wraps, where that matters. */
export type MasterKey = {
  /** Of the key that wraps. */
  readonly id: string
  /** @throws {Error} when a key service does not answer; the message says what to do and quotes no key. */
  readonly wrap: (key: Uint8Array) => Promise<Uint8Array>
  /** @returns the key, or a sentence that says why it cannot be had. */
  readonly unwrap: (wrapped: Uint8Array) => Promise<Result<Uint8Array, string>>
}

const program = z.array(z.string().min(1)).min(1)

/** A key service's commands: base64 on standard input, base64 on standard output. */
const service = z.strictObject({
  /** Stands in every wrapped key, so that a lost master key can be named. */
  id: z.string().regex(/^[A-Za-z0-9._:/-]{1,128}$/),
  /** Gets a key, prints it wrapped. */
  wrap: program,
  /** Gets what `wrap` printed, prints the key. */
  unwrap: program,
})

const source = z.union([secretSource, service], {
  error:
    'say where the master key is: { env: NAME }, { file: path } or { command: [program, …] }, or how a key service wraps: { id, wrap: [program, …], unwrap: [program, …] }',
})

/** One, or several: the first wraps, all unwrap. A key by its source is base64 of 32 bytes. */
const masterKeyConfig = z.union([source, z.array(source).min(1).max(16)])
export type MasterKeyConfig = z.infer<typeof masterKeyConfig>

/** `sealing` of `countersign.yaml`, which both sides read. */
export const sealingConfig = z.strictObject({
  /** Default: one in the data folder, made at the first start. */
  master_key: masterKeyConfig.optional(),
})

type Env = Readonly<Record<string, string | undefined>>

/** One key without its id around what it makes. */
type Raw = MasterKey

/**
 * Reads master keys.
 * @param env the environment as the process was started with.
 * @returns a sentence that says what is wrong; it never quotes a key.
 */
export async function openMasterKey(
  config: MasterKeyConfig,
  env: Env,
): Promise<Result<MasterKey, string>> {
  const raws: Raw[] = []
  for (const one of Array.isArray(config) ? config : [config]) {
    if ('wrap' in one) {
      raws.push(byService(one))
      continue
    }
    const secret = await readSecret(one, env)
    if (!secret.ok) return secret
    const key = parseMasterKey(secret.value.value)
    if (!key.ok) return key
    raws.push(local(key.value))
  }
  return together(raws)
}

/** @param text base64 of 32 bytes. */
export function parseMasterKey(text: string): Result<Buffer, string> {
  const key = Buffer.from(text.trim(), 'base64')
  return key.length === KEY_BYTES
    ? ok(key)
    : err(`must be base64 of ${KEY_BYTES} bytes, such as \`openssl rand -base64 32\` prints`)
}

/** A master key of these 32 bytes. */
export function masterKeyOf(key: Uint8Array): MasterKey {
  const made = together([local(key)])
  if (!made.ok) throw new Error(made.error)
  return made.value
}

const named = z.tuple([z.literal(1), z.string(), z.instanceof(Uint8Array)])

/** The first wraps; what is wrapped says under which key, and that one unwraps. */
function together(raws: readonly Raw[]): Result<MasterKey, string> {
  const [first] = raws
  if (!first) return err('there is no master key')
  const byId = new Map(raws.map((raw) => [raw.id, raw]))
  if (byId.size < raws.length) return err('two master keys have the same id')
  return ok({
    id: first.id,
    wrap: async (key) => pack([1, first.id, await first.wrap(key)]),
    async unwrap(wrapped) {
      const read = named.safeParse(unpacked(wrapped))
      if (!read.success) return err('the wrapped key is damaged')
      const [, id, inner] = read.data
      const raw = byId.get(id)
      if (!raw) return err(`sealed under master key ${id}, which is not configured`)
      const key = await raw.unwrap(inner)
      if (!key.ok) return err(`master key ${id}: ${key.error}`)
      return key.value.length === KEY_BYTES ? key : err(`master key ${id}: gave no key`)
    },
  })
}

function unpacked(bytes: Uint8Array): unknown {
  try {
    return unpack(bytes)
  } catch {
    return undefined
  }
}

/** AES-256-GCM under a key that this process has. */
function local(secret: Uint8Array): Raw {
  const key = createSecretKey(secret)
  // Says which key it is, and nothing of it.
  const digest = createHmac('sha256', key).update('countersign/master-key-id/v1').digest('hex')
  const id = digest.slice(0, 16)
  const aad = `countersign/master/v1 ${id}`
  return {
    id,
    wrap: (plain) => Promise.resolve(encrypt(key, aad, plain)),
    unwrap: (wrapped) => Promise.resolve(decrypt(key, aad, wrapped)),
  }
}

function byService({ id, wrap, unwrap }: z.infer<typeof service>): Raw {
  const base64 = async (
    command: readonly string[],
    bytes: Uint8Array,
  ): Promise<Result<Buffer, string>> => {
    const printed = await runWithInput(command, Buffer.from(bytes).toString('base64'))
    if (!printed.ok) return printed
    const answer = Buffer.from(printed.value.trim(), 'base64')
    return answer.length > 0 ? ok(answer) : err(`the command ${command[0]} printed no base64`)
  }
  return {
    id,
    async wrap(key) {
      const wrapped = await base64(wrap, key)
      if (!wrapped.ok) throw new Error(`master key ${id}: ${wrapped.error}`)
      // A command that only repeats what it gets would put the key beside what it seals.
      if (wrapped.value.includes(key))
        throw new Error(`master key ${id}: the command ${wrap[0]} does not wrap`)
      return wrapped.value
    },
    unwrap: (wrapped) => base64(unwrap, wrapped),
  }
}
