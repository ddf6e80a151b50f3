import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { parseJson, parseJsonObject } from './go/json.ts'

export const jwt: Builtins = {
  /** Nothing is verified: the header, the payload and the signature as hex. */
  'io.jwt.decode': (args) => decode(text(args, 0)),
}

function decode(token: string) {
  const parts = token.split('.')
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3) throw failed('encoded JWT must have 3 sections')
  const header = parseJsonObject(base64url(head).toString())
  if (header.has('enc')) throw failed('JWT is a JWE object, which is not supported')
  let payload = base64url(body).toString()
  // A token within a token (RFC 7519 §5.2).
  const type = header.get('cty')
  if (typeof type === 'string' && type.toUpperCase() === 'JWT') {
    const inner = payload.startsWith('"') ? parseJson(payload) : payload
    if (typeof inner !== 'string') throw failed('a nested token is not text')
    return decode(inner)
  }
  return [header, parseJsonObject(payload), base64url(signature).toString('hex')]
}

function base64url(encoded: string): Buffer {
  const bare = encoded.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9_-]*$/.test(bare) || bare.length % 4 === 1) throw failed('not base64url')
  return Buffer.from(bare, 'base64url')
}
