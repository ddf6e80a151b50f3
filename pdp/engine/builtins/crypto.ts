import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { text } from './arguments.ts'
import type { Builtin, Builtins } from './builtin.ts'

const digest =
  (algorithm: string): Builtin =>
  (args) =>
    hash(algorithm, text(args, 0))

const hmac =
  (algorithm: string): Builtin =>
  (args) =>
    createHmac(algorithm, text(args, 1)).update(text(args, 0)).digest('hex')

/** Digests as lower-case hex. */
export const crypto: Builtins = {
  'crypto.md5': digest('md5'),
  'crypto.sha1': digest('sha1'),
  'crypto.sha256': digest('sha256'),
  'crypto.hmac.md5': hmac('md5'),
  'crypto.hmac.sha1': hmac('sha1'),
  'crypto.hmac.sha256': hmac('sha256'),
  'crypto.hmac.sha512': hmac('sha512'),
  'crypto.hmac.equal': (args) => {
    const [a, b] = [Buffer.from(text(args, 0)), Buffer.from(text(args, 1))]
    return a.length === b.length && timingSafeEqual(a, b)
  },
}
