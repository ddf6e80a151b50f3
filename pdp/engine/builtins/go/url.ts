import { failed } from '../arguments.ts'

/** A URL as Go's `net/url.Parse` takes it apart. */
export type GoUrl = {
  readonly scheme: string
  readonly host: string
  readonly port: string
  /** Decoded. */
  readonly path: string
  /** As written, where that is not how Go would write it. */
  readonly rawPath: string
  readonly query: string
  readonly fragment: string
}

/** @throws {BuiltinError} */
export function parseUrl(given: string): GoUrl {
  const error = (why: string) => failed(`parse ${JSON.stringify(given)}: ${why}`)
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(given)) throw error('net/url: invalid control character in URL')
  const [whole = '', ...fragments] = given.split('#')
  const fragment = unescape(fragments.join('#'), 'fragment', error)
  const { scheme, rest: all } = takeScheme(whole, error)
  const mark = all.indexOf('?')
  const rest = mark === -1 ? all : all.slice(0, mark)
  const query = mark === -1 ? '' : all.slice(mark + 1)
  const none = { scheme, host: '', port: '', path: '', rawPath: '', query, fragment }
  if (!rest.startsWith('/')) {
    // `mailto:a@b` has an opaque part, which is no path.
    if (scheme !== '') return none
    if (rest.split('/')[0]?.includes(':'))
      throw error('first path segment in URL cannot contain colon')
  }
  const authority = (scheme !== '' || !rest.startsWith('///')) && rest.startsWith('//')
  const end = authority ? rest.indexOf('/', 2) : -1
  const [host, rawPath] = !authority
    ? ['', rest]
    : end === -1
      ? [rest.slice(2), '']
      : [rest.slice(2, end), rest.slice(end)]
  const path = unescape(rawPath, 'path', error)
  return {
    ...none,
    ...splitHost(host, error),
    path,
    rawPath: escapePath(path) === rawPath ? '' : rawPath,
  }
}

type Fail = (why: string) => Error

function takeScheme(text: string, error: Fail): { readonly scheme: string; readonly rest: string } {
  if (text === '*' || text === '') return { scheme: '', rest: text }
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text) ?? []
  if (scheme !== undefined)
    return { scheme: scheme.toLowerCase(), rest: text.slice(scheme.length + 1) }
  if (text.startsWith(':')) throw error('missing protocol scheme')
  return { scheme: '', rest: text }
}

function splitHost(
  authority: string,
  error: Fail,
): { readonly host: string; readonly port: string } {
  const at = authority.lastIndexOf('@')
  const user = at === -1 ? '' : authority.slice(0, at)
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(user)) throw error('net/url: invalid userinfo')
  unescape(user, 'user', error)
  const host = authority.slice(at + 1)
  if (host.startsWith('[')) {
    const close = host.lastIndexOf(']')
    if (close === -1) throw error("missing ']' in host")
    return {
      host: unescape(host.slice(1, close), 'host', error),
      port: portOf(host.slice(close + 1), error),
    }
  }
  const colon = host.lastIndexOf(':')
  const name = colon === -1 ? host : host.slice(0, colon)
  const odd = /[^A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"%\u0080-\u{10ffff}]/u.exec(name)?.[0]
  if (odd !== undefined) throw error(`invalid character ${JSON.stringify(odd)} in host name`)
  return {
    host: unescape(name, 'host', error),
    port: portOf(colon === -1 ? '' : host.slice(colon), error),
  }
}

function portOf(text: string, error: Fail): string {
  if (/^(?::\d*)?$/.test(text)) return text.slice(1)
  throw error(`invalid port ${JSON.stringify(text)} after host`)
}

function unescape(text: string, _part: string, error: Fail): string {
  const bad = /%(?![0-9A-Fa-f]{2}).{0,2}/.exec(text)?.[0]
  if (bad !== undefined) throw error(`invalid URL escape ${JSON.stringify(bad)}`)
  if (!text.includes('%')) return text
  return percentDecode(text).toString()
}

const PERCENT = 0x25

/** @param text whose every `%` has two digits behind it. */
export function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text)
  let length = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const escape = bytes[at] === PERCENT
    bytes[length] = escape
      ? Number.parseInt(bytes.toString('latin1', at + 1, at + 3), 16)
      : (bytes[at] ?? 0)
    if (escape) at += 2
    length += 1
  }
  return bytes.subarray(0, length)
}

/** As Go writes a decoded path. */
const escapePath = (path: string): string =>
  path
    .split(/([A-Za-z0-9\-_.~$&+,/:;=@]+)/)
    .map((part, at) =>
      at % 2 === 1
        ? part
        : [...Buffer.from(part)]
            .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
            .join(''),
    )
    .join('')
