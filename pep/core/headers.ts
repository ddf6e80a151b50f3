/** A header as it stands on the wire. */
export type Header = readonly [name: string, value: string]

/** Flat name, value, name, value: Node's and undici's raw form. */
export type RawHeaders = readonly string[]

/** RFC 9110 §7.6.1, and what older software treats alike. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Of a request: the caller's credentials, what is written anew, and what only a trusted proxy may say. */
const notForwarded: ReadonlySet<string> = new Set([
  ...hopByHop,
  'authorization',
  'x-api-key',
  'host',
  'content-length',
  'expect',
  'accept-encoding',
  'forwarded',
  'x-real-ip',
])

/**
 * Headers that make some servers act on another method or path than the request line says, which is what
 * policy decided on.
 */
const overrides: ReadonlySet<string> = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
])

/** They say how a body is to be read: given twice, two readers choose differently. */
const ofBody: ReadonlySet<string> = new Set(['content-type', 'content-encoding'])

/** CGI-like servers (WSGI, Rack, PHP) take `X_Api_Key` and `X-Api-Key` for the same header. */
const twinOf = (name: string): string => (name.includes('_') ? name.replaceAll('_', '-') : name)

/** The tokens of all `Connection` headers. */
function connectionTokens(raw: RawHeaders): ReadonlySet<string> | undefined {
  let tokens: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== 'connection') continue
    for (const token of (raw[i + 1] ?? '').toLowerCase().split(',')) {
      const name = token.trim()
      if (name === 'keep-alive' || name === 'close' || name === '') continue
      tokens ??= new Set()
      tokens.add(name)
    }
  }
  return tokens
}

/** What of a request's headers is forwarded: lower-case names, in order, without credentials and hop-by-hop headers. */
export function forwardedHeaders(
  raw: RawHeaders,
  options: {
    /** The header that the connection's credential goes into: what a client put there is dropped. */
    readonly credentialHeader?: string | undefined
    /** Whether `Range` and `If-Range` go on; not where an answer is masked, since a range could split a secret. */
    readonly ranges: boolean
  },
): Header[] {
  const named = connectionTokens(raw)
  const credential = options.credentialHeader && twinOf(options.credentialHeader)
  const headers: Header[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase()
    const twin = twinOf(name)
    if (notForwarded.has(twin) || twin.startsWith('x-forwarded-')) continue
    if (twin === credential || named?.has(name)) continue
    if (!options.ranges && (twin === 'range' || twin === 'if-range')) continue
    headers.push([name, raw[i + 1] ?? ''])
  }
  return headers
}

/**
 * @returns the first header that would make a server act on another request than the one decided on, or read its body
 * otherwise.
 */
export function overridingHeader(headers: readonly Header[]): string | undefined {
  let seen: Set<string> | undefined
  for (const [name] of headers) {
    const twin = twinOf(name)
    if (overrides.has(twin)) return name
    if (!ofBody.has(twin)) continue
    if (twin !== name || seen?.has(name)) return name
    ;(seen ??= new Set()).add(name)
  }
  return undefined
}

/** Of a response: dropped always. `alt-svc` would lead the client around the enforcement point. */
const notReturned: ReadonlySet<string> = new Set([...hopByHop, 'alt-svc', 'content-length'])

/** They describe the upstream's bytes and are wrong, or tell of them, once a body is altered. */
const ofExactBytes: ReadonlySet<string> = new Set([
  'etag',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'accept-ranges',
])

/**
 * What of a response's headers goes to the client.
 * @param altered whether the body may differ from the upstream's.
 */
export function returnedHeaders(raw: RawHeaders, altered: boolean): Header[] {
  const named = connectionTokens(raw)
  const headers: Header[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (notReturned.has(lower) || named?.has(lower)) continue
    if (altered && ofExactBytes.has(lower)) continue
    headers.push([name, raw[i + 1] ?? ''])
  }
  return headers
}

/**
 * The value of a header; all of them, with commas between, when it is given more than once (RFC 9110 §5.2), so that
 * what a reader may choose from is never looked at in part.
 * @param name lower case.
 */
export function headerOf(raw: RawHeaders, name: string): string | undefined {
  let found: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.length !== name.length || raw[i]?.toLowerCase() !== name) continue
    found = found === undefined ? raw[i + 1] : `${found}, ${raw[i + 1] ?? ''}`
  }
  return found
}
