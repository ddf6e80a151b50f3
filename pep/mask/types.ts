/** Names of the built-in detectors. */
export const builtinNames = [
  'email',
  'credit_card',
  'us_ssn',
  'iban',
  'phone',
  'ipv4',
  'ipv6',
  'aws_key',
  'github_token',
  'slack_token',
  'google_api_key',
  'azure_key',
  'gitlab_token',
  'npm_token',
  'pypi_token',
  'docker_token',
  'huggingface_token',
  'stripe_key',
  'sendgrid_key',
  'telegram_token',
  'anthropic_key',
  'openai_key',
  'jwt',
  'private_key',
  'url_credentials',
] as const

export type BuiltinName = (typeof builtinNames)[number]
export type DetectorName = BuiltinName | `custom:${string}`

/** What a finding is reported and replaced as; `credential` is an exact literal, `field` a value at a JSON path. */
export type FindingName = DetectorName | 'credential' | 'field'

export type MaskStyle = 'redact' | 'partial' | 'hash' | 'token'

/**
 * Strictest first; where rules meet on one detector or field the strictest wins. `redact` keeps nothing;
 * `hash` lets equal values be seen as equal and can never be undone; `token` as well, but may be undone by
 * whoever has the key; `partial` shows a part of the value.
 */
export const styleOrder = [
  'redact',
  'hash',
  'token',
  'partial',
] as const satisfies readonly MaskStyle[]

/** What a `mask` obligation says of one body. */
export type MaskRule = {
  /** Built-in names and `custom:<name>`; others are refused when the mask is compiled. */
  readonly detectors?: readonly string[] | undefined
  /** JSON paths whose values are replaced whole: `$.a.b`, `$.a[*].c`, `$..email`. Ignored by `text()` and `bytes()`. */
  readonly fields?: readonly string[] | undefined
  readonly style: MaskStyle
  /** Count, alter nothing. A rule that alters wins over one that observes. */
  readonly observe?: boolean | undefined
  /** Of detectors in `token` style: the session can turn the tokens back into the values. */
  readonly restore?: boolean | undefined
}

/** A detector that policy defines. */
export type CustomDetector = {
  /** `[a-z][a-z0-9_]*`; rules refer to it as `custom:<name>`. */
  readonly name: string
  /** RE2 syntax, without anchors to the begin and end of text; every repetition must be bounded. */
  readonly pattern: string
  /** Longest match, UTF-16 code units. The pattern is refused when it could match more. */
  readonly max_length: number
}

/** Tokens that the holder of the key turns back into their values; nothing is kept in a table. */
export type SessionTokens = {
  /** The same value has the same token. @returns letters; `undefined` for a value that is too long. */
  readonly seal: (name: FindingName, value: string) => string | undefined
  /** @returns `undefined` for letters that are no token of this key and name. */
  readonly open: (name: string, letters: string) => string | undefined
}

/** Replacements depend on these; the same key gives the same replacement for the same value. */
export type MaskKeys = {
  /** Key of the `hash` style, ≥ 16 bytes. */
  readonly hash: Uint8Array
  /** Key of the `token` style (≥ 16 bytes, one per session), or a function that makes the token: letters `a`–`p` only. */
  readonly token: Uint8Array | ((name: FindingName, value: string) => string)
  /** Tokens of the session, for rules with `restore`. */
  readonly restore?: SessionTokens
}

export type Counts = Partial<Record<FindingName, number>>
