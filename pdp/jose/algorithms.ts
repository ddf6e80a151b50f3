import {
  constants,
  createHmac,
  type KeyObject,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
} from 'node:crypto'

/** Signatures of JSON Web Algorithms, RFC 7518 §3 and RFC 8037 §3.1. */
export type Algorithm = {
  /** `oct` takes a secret; others a key of this type, in Node's words. */
  readonly keyType: 'oct' | 'rsa' | 'ec' | 'ed25519'
  /** A key of another type verifies nothing. */
  readonly verify: (key: KeyObject, signed: string, signature: Buffer) => boolean
  /** @throws {TypeError} when the key is of another type. */
  readonly sign: (key: KeyObject, text: string) => Buffer
}

type Options = {
  readonly padding?: number
  readonly saltLength?: number
  readonly dsaEncoding?: 'ieee-p1363'
}

function asymmetric(
  keyType: 'rsa' | 'ec' | 'ed25519',
  hash: string | null,
  options: Options = {},
): Algorithm {
  const fits = (key: KeyObject): boolean =>
    key.type !== 'secret' && key.asymmetricKeyType === keyType
  return {
    keyType,
    verify(key, signed, signature) {
      if (!fits(key)) return false
      try {
        return verifyBytes(hash, Buffer.from(signed), { ...options, key }, signature)
      } catch {
        // Fail closed: what cannot be verified is not verified.
        return false
      }
    },
    sign(key, text) {
      if (!fits(key) || key.type !== 'private')
        throw new TypeError('the key does not fit the algorithm')
      const salted = options.padding === constants.RSA_PKCS1_PSS_PADDING
      const saltLength = salted ? { saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {}
      return signBytes(hash, Buffer.from(text), { ...options, ...saltLength, key })
    },
  }
}

function symmetric(hash: string): Algorithm {
  const mac = (key: KeyObject, text: string): Buffer => createHmac(hash, key).update(text).digest()
  return {
    keyType: 'oct',
    verify(key, signed, signature) {
      if (key.type !== 'secret') return false
      const wanted = mac(key, signed)
      return wanted.length === signature.length && timingSafeEqual(wanted, signature)
    },
    sign(key, text) {
      if (key.type !== 'secret') throw new TypeError('the key does not fit the algorithm')
      return mac(key, text)
    },
  }
}

const rsa = (hash: string): Algorithm =>
  asymmetric('rsa', hash, { padding: constants.RSA_PKCS1_PADDING })
const pss = (hash: string): Algorithm =>
  asymmetric('rsa', hash, {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_AUTO,
  })
const ecdsa = (hash: string): Algorithm => asymmetric('ec', hash, { dsaEncoding: 'ieee-p1363' })

export const algorithms: Readonly<Record<string, Algorithm>> = {
  HS256: symmetric('sha256'),
  HS384: symmetric('sha384'),
  HS512: symmetric('sha512'),
  RS256: rsa('sha256'),
  RS384: rsa('sha384'),
  RS512: rsa('sha512'),
  PS256: pss('sha256'),
  PS384: pss('sha384'),
  PS512: pss('sha512'),
  ES256: ecdsa('sha256'),
  ES384: ecdsa('sha384'),
  ES512: ecdsa('sha512'),
  EdDSA: asymmetric('ed25519', null),
}

export const algorithm = (name: string): Algorithm | undefined =>
  Object.hasOwn(algorithms, name) ? algorithms[name] : undefined
