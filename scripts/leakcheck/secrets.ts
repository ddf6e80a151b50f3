/** What must not arrive: one value of each kind, none of them anybody's. */

export type Secret = {
  readonly kind: string
  /** As it stands in the reply. */
  readonly text: string
  /** The part of it that must not arrive: `text`, or what is inside of it. */
  readonly sensitive: string
}

/** Values are put together at run time, so that scanners for secrets do not take the source for a leak. */
const joined = (...parts: readonly string[]): string => parts.join('')
const base64url = (text: string): string => Buffer.from(text).toString('base64url')

const whole = (kind: string, text: string): Secret => ({ kind, text, sensitive: text })

/** @param before, after parts of the text that say what it is, and may stay. */
const inside = (kind: string, before: string, sensitive: string, after: string): Secret => ({
  kind,
  text: before + sensitive + after,
  sensitive,
})

const pemLabel = joined('PRIVATE ', 'KEY')
const pemBody = [
  Buffer.alloc(48, 'not a key, but as long as one: ').toString('base64'),
  Buffer.alloc(30, 'and a line more of it ').toString('base64'),
].join('\n')

export const secrets: readonly Secret[] = [
  // The domain may stay readable: less than 60 % of the address.
  whole('email', joined('margarethe.von-hohenstein', '@', 'example.org')),
  // The test number that the networks publish; it passes Luhn.
  whole('card', joined('4111 ', '1111 ', '1111 ', '1111')),
  // The access key id of the vendor's documentation.
  whole('aws_key', joined('AKIA', 'IOSFODNN7', 'EXAMPLE')),
  whole('github_token', joined('ghp', '_', 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789')),
  whole(
    'jwt',
    [
      base64url('{"alg":"HS256","typ":"JWT"}'),
      base64url('{"sub":"1234567890"}'),
      base64url('signature of nothing, really'),
    ].join('.'),
  ),
  inside('private_key', `-----BEGIN ${pemLabel}-----\n`, pemBody, `\n-----END ${pemLabel}-----`),
  inside(
    'url_credentials',
    'postgres://',
    joined('ada', ':', 'pa55w0rd-of-a-database'),
    '@db.example.com/x',
  ),
  // Printed in an advertisement and retired.
  whole('ssn', joined('078', '-05', '-1120')),
  // Reserved for fiction.
  whole('phone', joined('+1-415', '-555', '-0132')),
  // The example of the IBAN registry.
  whole('iban', joined('GB82 ', 'WEST ', '1234 ', '5698 ', '7654 ', '32')),
]

/** A piece of at least this part of a secret, in a row, is a leak. */
const LEAKING_PART = 0.6

/** Whether the text holds the secret, or most of it in a row. */
export function leaksIn(text: string, { sensitive }: Secret): boolean {
  const length = Math.ceil(sensitive.length * LEAKING_PART)
  for (let from = 0; from + length <= sensitive.length; from++) {
    if (text.includes(sensitive.slice(from, from + length))) return true
  }
  return false
}

/** How a report may name it. */
export const hinted = ({ text }: Secret): string => `${text.slice(0, 4)}…`
