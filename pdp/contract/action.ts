import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { ActionDigest } from './brand.ts'

/** A body as an approver reads it: text when it is UTF-8, else base64. */
export type CanonicalBody = { readonly text: string } | { readonly base64: string }

/**
 * What an approval covers, whole: an approver is shown exactly this and nothing else is approved. No ids that
 * change from try to try, no credentials.
 */
export type CanonicalAction =
  | {
      readonly type: 'http.request'
      readonly connection: string
      readonly method: string
      /** Path and query as they are forwarded. */
      readonly target: string
      /** Headers as they are forwarded, lower-case names, without credentials and hop-by-hop headers. */
      readonly headers: readonly (readonly [name: string, value: string])[]
      readonly body: CanonicalBody
    }
  | {
      readonly type: 'anthropic.tool_use'
      readonly connection: string
      readonly tool: string
      /** With values in place of the tokens that the session can restore. */
      readonly input: unknown
      /** The input with its tokens, where it has any: what the tool gets unless policy restores them. */
      readonly unrestored?: unknown
    }
  | {
      readonly type: 'anthropic.messages'
      readonly connection: string
      readonly operation: string
      readonly model: string
      readonly tools: readonly unknown[]
      /** The messages after the last one of the assistant. */
      readonly content: readonly unknown[]
      /** Every other field that shapes what the provider does: `system` digest, `mcp_servers`, `betas`, … */
      readonly parameters: Readonly<Record<string, unknown>>
    }

/** RFC 8785 serialisation. @throws {Error} when the value has no canonical form (NaN, lone surrogates). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new Error('value has no canonical JSON form')
  return text
}

/** sha256 over the RFC 8785 form, prefixed with a name so that it is no other digest of the same bytes. */
export function actionDigest(action: CanonicalAction): ActionDigest {
  const hash = createHash('sha256')
  hash.update('countersign/action/v1\n')
  hash.update(canonicalJson(action))
  return hash.digest('hex') as ActionDigest
}

/** @param bytes a body of at most the size limit of its connection. */
export function canonicalBody(bytes: Uint8Array): CanonicalBody {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) }
  } catch {
    // Not UTF-8: base64 covers the same bytes, so nothing gets through that was not shown.
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}
