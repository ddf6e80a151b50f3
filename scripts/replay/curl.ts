import type { RecordedRequest } from './one-step.ts'

/**
 * A command for sh that sends a recorded request again, to the gateway and with a token of one's own. Whatever the
 * request holds, the command is printable ASCII and plain text, and runs nothing but printf and curl.
 */
export function curlCommand(request: RecordedRequest, gateway: string): string {
  const { connection, method, target, headers, body } = request
  const url = `${gateway.replace(/\/+$/, '')}/${encodeURIComponent(connection)}${sendable(target)}`
  const flags = [
    ['--globoff --path-as-is --request', word(method)],
    ['--header', '"Authorization: Bearer $AGENT_TOKEN"'],
    ...headers.flatMap(([name, value]) => header(name, value)),
    // curl adds a type of its own where a body has none.
    ...(body.length > 0 && !headers.some(([name]) => name.toLowerCase() === 'content-type')
      ? [['--header', word('Content-Type:')]]
      : []),
    ...(body.length > 0 ? [['--data-binary', '@-']] : []),
    ['--', word(url)],
  ].map((one) => one.join(' '))
  const curl = `curl ${flags.join(' \\\n  ')}`
  return body.length > 0 ? `${printed(body)} |\n${curl}` : curl
}

/** What the client or the gateway sets by itself. */
const own = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'transfer-encoding',
  'x-api-key',
])

function header(name: string, value: string): readonly (readonly string[])[] {
  // A name that is no token, or a line end in a value, is no header that could have been sent.
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[\0\r\n]/.test(value)) return []
  if (own.has(name.toLowerCase())) return []
  // Without a value curl takes `name:` for "leave it out".
  return [['--header', word(value === '' ? `${name};` : `${name}: ${value}`)]]
}

/** Bytes that a URL cannot have, percent-encoded; what is encoded stays as it is. */
const sendable = (target: string): string =>
  target.replaceAll(/[^\u0021-\u007e]/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${hex(byte)}`).join(''),
  )

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0')

const isPlain = (text: string): boolean => /^[\u0020-\u007e]*$/.test(text)

/** One word of a command: quoted, and what could change how it looks written as its bytes. */
function word(text: string): string {
  if (isPlain(text)) return quoted(text)
  // `$(…)` takes line ends off the end, which no word here has there.
  const bytes = [...text].every((char) => (char.codePointAt(0) ?? 0) < 256)
    ? Buffer.from(text, 'latin1') // headers come from the wire as one character a byte
    : Buffer.from(text)
  return `"$(printf '${octal(bytes)}')"`
}

/** In single quotes nothing has a meaning but the quote. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** Writes these bytes to standard output, with printf alone. */
export function printed(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1')
  if (/^[\u0020-\u007e\n]*$/.test(text)) return `printf '%s' ${quoted(text)}`
  return `printf '${octal(bytes)}'`
}

/** A format for printf: `\ooo` for all that is not a plain character. A `-` in front would be an option. */
function octal(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    const option = char === '-' && out === ''
    if (/[\u0020-\u007e]/.test(char) && !"'\\%".includes(char) && !option) out += char
    else if (char === '%') out += '%%'
    else out += `\\${byte.toString(8).padStart(3, '0')}`
  }
  return out
}
