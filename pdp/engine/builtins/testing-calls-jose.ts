import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** Calls of builtins on tokens, with keys of this run alone. */
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
const p521 = generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
const ed = generateKeyPairSync('ed25519')

const rego = (value: unknown): string => JSON.stringify(value)
const pem = ({ publicKey }: { readonly publicKey: KeyObject }): string =>
  publicKey.export({ type: 'spki', format: 'pem' })
const jwk = ({ publicKey }: { readonly publicKey: KeyObject }, more: object = {}): string =>
  JSON.stringify({ ...publicKey.export({ format: 'jwk' }), ...more })

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
type Options = {
  readonly padding?: number
  readonly saltLength?: number
  readonly dsaEncoding?: 'ieee-p1363'
}

function token(
  alg: string,
  hash: string | null,
  key: KeyObject,
  options: Options = {},
  header: object = {},
  payload: object = { iss: 'x' },
): string {
  const text = `${encode({ alg, ...header })}.${encode(payload)}`
  return `${text}.${sign(hash, Buffer.from(text), { key, ...options }).toString('base64url')}`
}

const PSS = { padding: 6, saltLength: 32 }
const RAW = { dsaEncoding: 'ieee-p1363' } as const
const rs256 = token('RS256', 'sha256', rsa.privateKey)
const withKid = token('RS256', 'sha256', rsa.privateKey, {}, { kid: 'a' })
const OCT = '{"kty": "oct", "k": "QUFB"}'
const hs = (payload: string, header = '{"alg": "HS256"}'): string =>
  `io.jwt.encode_sign(${header}, ${payload}, ${OCT})`
const change = (text: string): string => `${text.slice(0, -8)}AAAAAAAA`

/** Of one algorithm: right, with a changed signature, by a JWK, by another key, and by what is no key. */
const verifications = (good: string, pair: { readonly publicKey: KeyObject }): string[] => [
  `${rego(good)}, ${rego(pem(pair))}`,
  `${rego(change(good))}, ${rego(pem(pair))}`,
  `${rego(good)}, ${rego(jwk(pair))}`,
  `${rego(good)}, ${rego(pem(ed))}`,
  `${rego(good)}, "no key"`,
  `"a.b", ${rego(pem(pair))}`,
  `1, ${rego(pem(pair))}`,
]

const secrets = (bits: string): string[] => [
  `${hs('{"a": 1}', `{"alg": "HS${bits}"}`)}, "AAA"`,
  `${hs('{"a": 1}', `{"alg": "HS${bits}"}`)}, "AAB"`,
  '"a.b.c", "AAA"',
]

export const joseCalls: Readonly<Record<string, readonly string[]>> = {
  'io.jwt.verify_rs256': [
    ...verifications(rs256, rsa),
    `${rego(withKid)}, ${rego(JSON.stringify({ keys: [JSON.parse(jwk(rsa, { kid: 'a' })), JSON.parse(jwk(rsa, { kid: 'b' }))] }))}`,
    `${rego(withKid)}, ${rego(jwk(rsa, { alg: 'RS512' }))}`,
    `${rego(withKid)}, ${rego(`${pem(rsa)}${pem(rsa)}`)}`,
  ],
  'io.jwt.verify_rs384': verifications(token('RS384', 'sha384', rsa.privateKey), rsa),
  'io.jwt.verify_rs512': verifications(token('RS512', 'sha512', rsa.privateKey), rsa),
  'io.jwt.verify_ps256': verifications(token('PS256', 'sha256', rsa.privateKey, PSS), rsa),
  'io.jwt.verify_ps384': verifications(
    token('PS384', 'sha384', rsa.privateKey, { ...PSS, saltLength: 48 }),
    rsa,
  ),
  'io.jwt.verify_ps512': verifications(
    token('PS512', 'sha512', rsa.privateKey, { ...PSS, saltLength: 64 }),
    rsa,
  ),
  'io.jwt.verify_es256': verifications(token('ES256', 'sha256', p256.privateKey, RAW), p256),
  'io.jwt.verify_es384': verifications(token('ES384', 'sha384', p384.privateKey, RAW), p384),
  'io.jwt.verify_es512': verifications(token('ES512', 'sha512', p521.privateKey, RAW), p521),
  'io.jwt.verify_eddsa': verifications(token('EdDSA', null, ed.privateKey), ed).filter(
    (_, at) => at !== 3,
  ),
  'io.jwt.verify_hs256': secrets('256'),
  'io.jwt.verify_hs384': secrets('384'),
  'io.jwt.verify_hs512': secrets('512'),
  'io.jwt.decode_verify': [
    `${hs('{"iss": "x"}')}, {"secret": "AAA", "iss": "x", "time": 1}`,
    `${hs('{"iss": "x"}')}, {"secret": "AAA", "iss": "y", "time": 1}`,
    `${hs('{"aud": ["a", "b"]}')}, {"secret": "AAA", "aud": "b", "time": 1}`,
    `${hs('{"aud": "a"}')}, {"secret": "AAA", "time": 1}`,
    `${hs('{"exp": 10}')}, {"secret": "AAA", "time": 9999999999}`,
    `${hs('{"exp": 10}')}, {"secret": "AAA", "time": 10000000000}`,
    `${hs('{"nbf": 10.5}')}, {"secret": "AAA", "time": 10400000000}`,
    `${hs('{}')}, {"secret": "AAA", "none": 1}`,
    `${hs('{}')}, {}`,
    `${hs('{}')}, {"secret": "AAA", "alg": "HS512", "time": 1}`,
    `${hs('{}')}, {"secret": "AAA", "time": -1}`,
    `${hs('{"exp": null}')}, {"secret": "AAA", "time": 1}`,
    `${rego(rs256)}, {"cert": ${rego(pem(rsa))}, "time": 1}`,
    `${rego(rs256)}, {"cert": ${rego(pem(rsa))}, "secret": "x"}`,
    `${rego(rs256)}, {"secret": ${rego(pem(rsa))}, "time": 1}`,
    `${hs('{}')}, {"cert": ${rego(pem(rsa))}, "time": 1}`,
    '"eyJhbGciOiJub25lIn0.e30.", {"secret": "x", "time": 1}',
    '"a.b.c", {"secret": "x", "time": 1}',
    '"a", {"secret": "x"}',
  ],
  'io.jwt.encode_sign': [
    `{"alg": "HS256"}, {"b": 1, "a": "<é>"}, ${OCT}`,
    `{"alg": "HS512", "typ": "JWT"}, {}, ${OCT}`,
    `{"alg": "none"}, {}, ${OCT}`,
    `{}, {}, ${OCT}`,
    `{"alg": "RS256"}, {}, ${OCT}`,
    '{"alg": "HS256"}, {}, {}',
    `1, {}, ${OCT}`,
    `{"alg": "EdDSA"}, {}, ${JSON.stringify(ed.privateKey.export({ format: 'jwk' }))}`,
  ],
  'io.jwt.encode_sign_raw': [
    '`{"alg":"HS256"}`, `{"a":1}`, `{"kty":"oct","k":"QUFB"}`',
    '`{"alg":"HS256","typ":"text/plain"}`, `x`, `{"kty":"oct","k":"QUFB"}`',
    '`{"alg":"HS256"}`, `x`, `{"kty":"oct","k":"QUFB"}`',
    '`x`, `{}`, `{"kty":"oct","k":"QUFB"}`',
    '`{"alg":"HS256"}`, `{}`, `x`',
  ],
  'crypto.x509.parse_rsa_private_key': [
    rego(rsa.privateKey.export({ type: 'pkcs1', format: 'pem' })),
    '"x"',
    '""',
    '1',
  ],
  'providers.aws.sign_req': [
    '{"method": "get", "url": "http://example.com"}, {"aws_access_key": "A", "aws_secret_access_key": "B", "aws_service": "s3", "aws_region": "us-east-1"}, 1451311705000000000',
    '{"method": "post", "url": "http://example.com/a b/c?x=1&b", "headers": {"Foo": "bar", "User-Agent": "x"}, "body": {"z": 1, "a": [1]}}, {"aws_access_key": "A", "aws_secret_access_key": "B", "aws_service": "ec2", "aws_region": "eu-central-1", "aws_session_token": "t"}, 1451311705000000000',
    '{"method": "get", "url": "http://example.com"}, {}, 1',
    '{}, {"aws_access_key": "A"}, 1',
    '{"method": "get", "url": "http://example.com"}, {"aws_access_key": 1, "aws_secret_access_key": "B", "aws_service": "s3", "aws_region": "us-east-1"}, 1',
  ],
}
