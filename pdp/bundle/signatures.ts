import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { algorithm } from '../jose/algorithms.ts'
import type { ArchiveFiles } from './archive.ts'
import { canonicalJson } from './canonical-json.ts'
import { BundleError } from './errors.ts'
import type { SigningKey, VerificationKey } from './keys.ts'

/**
 * `.signatures.json`, as OPA's "Signing" describes it: one JSON Web Signature (RFC 7515) over the names and hashes of
 * every file of the bundle.
 */
export const SIGNATURES = '.signatures.json'

const file = z.strictObject({
  name: z.string().min(1),
  hash: z.string().regex(/^[0-9a-f]+$/),
  algorithm: z.string(),
})
const signaturesFile = z.object({ signatures: z.array(z.string()), plugin: z.string().optional() })
const header = z.object({
  alg: z.string(),
  kid: z.string().optional(),
  crit: z.unknown().optional(),
  b64: z.unknown().optional(),
})
const payload = z.object({
  files: z.array(file),
  keyid: z.string().optional(),
  scope: z.string().optional(),
})

/** OPA's names of hashes; MD5 and SHA-1, which it also takes, prove nothing any more. */
const hashes: Readonly<Record<string, string>> = {
  'SHA-224': 'sha224',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
  'SHA-512-224': 'sha512-224',
  'SHA-512-256': 'sha512-256',
}

export type VerifyOptions = {
  /** Ids of keys that may have signed it. */
  readonly keys: readonly VerificationKey[]
  readonly scope?: string | undefined
  /** Files that need not be signed, by path or `*` patterns of one segment. */
  readonly excludeFiles?: readonly string[] | undefined
}

const refuse = (message: string, cause?: unknown): BundleError =>
  new BundleError('BUNDLE_SIGNATURE', message, { cause })

/**
 * Every file must be listed with its hash, and every listed file be there, under one signature by a key that the
 * configuration names.
 * @throws {BundleError} BUNDLE_SIGNATURE
 */
export function verifySignatures(files: ArchiveFiles, options: VerifyOptions): void {
  const content = files.get(SIGNATURES)
  if (!content) throw refuse(`${SIGNATURES} is missing: the bundle is not signed`)
  const { signatures, plugin } = parse(signaturesFile, content, SIGNATURES)
  if (plugin !== undefined) throw refuse(`the plugin ${plugin} is not supported`)
  const [token] = signatures
  if (token === undefined || signatures.length !== 1)
    throw refuse(`${SIGNATURES} has ${signatures.length} signatures, and must have one`)
  const signed = verifyToken(token, options)
  const listed = new Map<string, z.infer<typeof file>>()
  for (const one of signed.files) {
    if (listed.has(one.name)) throw refuse(`${one.name} is listed twice`)
    listed.set(one.name, one)
  }
  for (const [name, bytes] of files) {
    if (name === SIGNATURES || isExcluded(name, options.excludeFiles)) continue
    const entry = listed.get(name)
    if (!entry) throw refuse(`${name} is not signed`)
    if (!sameHash(hashOf(name, bytes, entry.algorithm), entry.hash))
      throw refuse(`${name} is not what was signed`)
    listed.delete(name)
  }
  const missing = [...listed.keys()].filter((name) => !isExcluded(name, options.excludeFiles))
  if (missing.length > 0) throw refuse(`${missing.join(', ')}: signed, and not in the bundle`)
}

/** @returns what the signature says. The configuration chooses key and algorithm, never the token. */
function verifyToken(token: string, { keys, scope }: VerifyOptions): z.infer<typeof payload> {
  const parts = token.split('.')
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]+$/.test(part)))
    throw refuse('the signature is no JWS in compact form')
  const { alg, kid, crit, b64 } = parse(header, Buffer.from(head, 'base64url'), 'the header')
  if (crit !== undefined || b64 !== undefined)
    throw refuse('the signature demands extensions that are not supported')
  const said = parse(payload, Buffer.from(body, 'base64url'), 'the signed payload')
  const named = kid ?? said.keyid
  const key = keys.find(({ id }) => (named === undefined ? keys.length === 1 : id === named))
  if (!key)
    throw refuse(
      named === undefined
        ? 'the signature names no key, and several may have signed it'
        : `the key ${JSON.stringify(named)} may not sign this bundle`,
    )
  if (alg !== key.algorithm)
    throw refuse(`the key ${key.id} is for ${key.algorithm}, and the signature says ${alg}`)
  const known = algorithm(key.algorithm)
  if (!known?.verify(key.key, `${head}.${body}`, Buffer.from(signature, 'base64url')))
    throw refuse(`the signature was not made by the key ${key.id}`)
  const wanted = scope ?? key.scope
  if ((wanted ?? '') !== (said.scope ?? ''))
    throw refuse(
      `the signature is for the scope ${JSON.stringify(said.scope ?? '')}, not ${JSON.stringify(wanted ?? '')}`,
    )
  return said
}

/** @returns the content of `.signatures.json`; the same for the same files, but for PS* and ES*. */
export function signFiles(
  files: ArchiveFiles,
  { key, id, algorithm: alg }: SigningKey,
  scope?: string,
): Uint8Array {
  const known = algorithm(alg)
  if (!known) throw new BundleError('BUNDLE_KEY', `${alg} is no algorithm for bundles`)
  const listed = [...files.keys()]
    .filter((name) => name !== SIGNATURES)
    .sort()
    .map((name) => ({
      name,
      hash: hashOf(name, files.get(name) ?? new Uint8Array(), 'SHA-256'),
      algorithm: 'SHA-256',
    }))
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = { alg, typ: 'JWT', ...(id !== undefined && { kid: id }) }
  const said = {
    files: listed,
    ...(id !== undefined && { keyid: id }),
    ...(scope !== undefined && { scope }),
  }
  const signed = `${encode(head)}.${encode(said)}`
  const token = `${signed}.${known.sign(key, signed).toString('base64url')}`
  return Buffer.from(`${JSON.stringify({ signatures: [token] })}\n`)
}

/** OPA hashes these in their canonical form; all others as they are. */
const STRUCTURED = new Set(['data.json', '.manifest'])

function hashOf(name: string, bytes: Uint8Array, algorithmName: string): string {
  const known = Object.hasOwn(hashes, algorithmName) ? hashes[algorithmName] : undefined
  if (known === undefined) throw refuse(`${name}: the hash ${algorithmName} is not accepted`)
  const content = STRUCTURED.has(name.split('/').at(-1) ?? '') ? canonical(name, bytes) : bytes
  return createHash(known).update(content).digest('hex')
}

function canonical(name: string, bytes: Uint8Array): string {
  try {
    return canonicalJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw refuse(`${name} is not JSON`, cause)
  }
}

function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function isExcluded(name: string, patterns: readonly string[] = []): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    return new RegExp(`^${parts.join('[^/]*')}$`).test(name)
  })
}

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw refuse(`${what} is not JSON`, cause)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw refuse(`${what}: ${z.prettifyError(parsed.error)}`)
}
