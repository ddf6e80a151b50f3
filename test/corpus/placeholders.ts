import { joined } from '../../pep/mask/detectors/example.ts'

/**
 * `${name}` and `${name:text}` in the corpus. Keys are put together here, so that scanners for secrets do not take the
 * corpus for a leak; the text of a function may hold placeholders itself. `$${` stands for `${`.
 */

/** Around the part of a text that is a value; they pass through every function, so that its place stays known. */
export const MARK = { open: '\ue000', close: '\ue001' }
const marks = /([\ue000\ue001])/

const letters = 'AbCdEfGhIjKlMnOpQrStUvWxYz'
const pemBody = joined('MIIEvQIBADANBgkqhkiG9w0BAQEFAASC', 'BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj')
const pem = (label: string, end = '\n'): string =>
  [
    `-----BEGIN ${label}PRIVATE `.concat('KEY-----'),
    pemBody,
    'MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu',
    `-----END ${label}PRIVATE `.concat('KEY-----'),
  ].join(end)
const jwtHeader = joined('eyJhbGciOiJIUzI1NiIs', 'InR5cCI6IkpXVCJ9')

/** Fixed, made up, and of the form that each issuer documents. */
const constants: Readonly<Record<string, string>> = {
  // For placeholders of keys, which look like keys to some scanners.
  _: '_',
  AKIA: joined('AK', 'IA'),
  anthropic_key: joined('sk-', 'ant', '-api03-', letters, '_0123456789-AbCdEfGhIj', 'AA'),
  anthropic_admin_key: joined('sk-', 'ant', '-admin01-0123456789', letters, 'AA'),
  aws_key_id: joined('AKIA', 'IOSFODNN7', 'EXAMPLE'),
  aws_session_key_id: joined('ASIA', 'Y34FZKBOKMUTVV7A'),
  aws_secret: ['wJalrXUtnFEMI', 'K7MDENG', 'bPxRfiCYEXAMPLEKEY'].join('/'),
  azure_key: joined(
    'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6',
    'IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
  ),
  azure_bus_key: joined(letters.slice(0, 22), 'WxYz0123456789+/AbCdE='),
  docker_token: joined('dckr', '_pat_', 'AbCdEfGh-IjKlMnOp_QrStUvWx1'),
  github_token: joined('ghp', '_', letters, '0123456789'),
  github_app_token: joined('ghs', '_', '0123456789', letters),
  github_pat: joined('github', '_pat_', '11ABCDEFG0', letters.slice(0, 12), '_', letters, '012345'),
  gitlab_token: joined('gl', 'pat', '-AbCdEfGhIjKlMnOpQr12'),
  gitlab_routable: joined('gl', 'pat', '-', letters, '01.01.0a1b2c3d4'),
  gitlab_runner: joined('gl', 'rt', '-t1_AbCdEfGhIjKlMnOpQr12'),
  google_api_key: joined('AIza', 'Sy', 'A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6Q'),
  google_api_key_2: joined('AIza', 'Sy', 'D-9tSrke72PouQMnMX_a7eZSW0jkFMBWY'),
  huggingface_token: joined('hf', '_', letters, 'AbCdEfGh'),
  jwt: [jwtHeader, 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', 'c2lnbmF0dXJlLW9mLW5vdGhpbmc'].join('.'),
  jwt_unsigned: joined('eyJhbGciOiJub25lIn0', '.eyJzdWIiOiJhZ2VudCIsImlhdCI6MX0', '.'),
  jwe: [
    'eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0',
    '',
    'aXYtYW5kLXNv',
    'Y2lwaGVydGV4dA',
    'dGFn',
  ].join('.'),
  npm_token: joined('npm', '_', letters, '0123456789'),
  openai_key: joined('sk-', 'proj', '-', letters, '_0123456789-', letters),
  openai_old_key: joined('sk-', 'A1b2C3d4E5f6G7h8I9j0', 'T3BlbkFJ', 'K1l2M3n4O5p6Q7r8S9t0'),
  pem: pem(''),
  pem_rsa: pem('RSA '),
  pem_ec: pem('EC '),
  pem_openssh: pem('OPENSSH '),
  pem_line: pem('', ' '),
  pypi_token: joined('pypi', '-AgE', 'IcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtNDAwMC04MDAw'),
  sendgrid_key: joined('SG', '.', letters.slice(0, 22), '.', letters, '0123456789-_AbCdE'),
  slack_token: joined('xox', 'b', '-123456789012-1234567890123-', letters.slice(0, 24)),
  slack_app_token: joined('xapp', '-', '1-A0123456789-1234567890123-abcdef0123456789'),
  slack_hook: joined(
    'hooks.slack.com',
    '/',
    'services/T00000000/B00000000/',
    letters.slice(0, 22),
    '01',
  ),
  stripe_key: joined('sk', '_live_', letters.slice(0, 22), '01'),
  stripe_test_key: joined('sk', '_test_', '51', letters, '0123456789', letters),
  stripe_restricted: joined('rk', '_live_', '51', letters),
  stripe_webhook: joined('wh', 'sec', '_', letters, '012345'),
  telegram_token: joined('123456789', ':AA', letters, '-0123456'),
}

const upright = (base: number, text: string): string =>
  text.replace(/[0-9]/g, (digit) => String.fromCodePoint(base + Number(digit)))
/** Marks do not count, so that a text is the same with and without them. */
function after(inserted: string, every: number): (text: string) => string {
  return (text) => {
    let seen = 0
    return [...text]
      .map((c) => (!marks.test(c) && ++seen % every === 0 ? c + inserted : c))
      .join('')
  }
}
const hex = (unit: number, width: number): string => unit.toString(16).padStart(width, '0')

/** Each is a function of single characters, so that a value inside its text is that function of the value. */
const functions: Readonly<Record<string, (text: string) => string>> = {
  json: (text) => JSON.stringify(text).slice(1, -1),
  /** A JSON string inside a JSON string. */
  json2: (text) => JSON.stringify(JSON.stringify(text).slice(1, -1)).slice(1, -1),
  /** As encoders write it that keep to letters, digits and blanks. */
  json_ascii: (text) => text.replace(/[^A-Za-z0-9 ]/g, (c) => `\\u${hex(c.charCodeAt(0), 4)}`),
  backslash_x: (text) => text.replace(/[^A-Za-z0-9 ]/g, (c) => `\\x${hex(c.charCodeAt(0), 2)}`),
  percent: (text) => encodeURIComponent(text),
  /** Also what an encoder may leave: the dot, the dash, the underscore. */
  percent_all: (text) =>
    encodeURIComponent(text).replace(/[-._~!'()*]/g, (c) => `%${hex(c.charCodeAt(0), 2)}`),
  percent2: (text) => encodeURIComponent(encodeURIComponent(text)),
  form_data: (text) => encodeURIComponent(text).replaceAll('%20', '+'),
  entities: (text) => text.replace(/[^A-Za-z0-9 ]/g, (c) => `&#${c.charCodeAt(0)};`),
  entities_hex: (text) => text.replace(/[^A-Za-z0-9 ]/g, (c) => `&#x${hex(c.charCodeAt(0), 0)};`),
  entities_all: (text) => text.replace(/./gs, (c) => `&#${c.charCodeAt(0)};`),
  markdown: (text) => text.replace(/[\\`*_{}[\]()#+.!|~-]/g, (c) => `\\${c}`),
  markdown_underscores: (text) => text.replaceAll('_', '\\_'),
  fullwidth: (text) => text.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  fullwidth_signs: (text) =>
    text.replace(/[@.+:-]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  fullwidth_digits: (text) => upright(0xff10, text),
  arabic_digits: (text) => upright(0x660, text),
  devanagari_digits: (text) => upright(0x966, text),
  math_digits: (text) => upright(0x1d7ce, text),
  math_letters: (text) =>
    text.replace(/[a-z]/g, (c) => String.fromCodePoint(0x1d41a + c.charCodeAt(0) - 97)),
  keycaps: (text) => text.replace(/[0-9]/g, '$&\ufe0f\u20e3'),
  superscript: (text) => text.replace(/[0-9]/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'.charAt(Number(digit))),
  nbsp: (text) => text.replace(/[ -]/g, '\u00a0'),
  narrow_spaces: (text) => text.replace(/[ -]/g, '\u202f'),
  thin_spaces: (text) => text.replace(/[ -]/g, '\u2009'),
  figure_spaces: (text) => text.replace(/[ -]/g, '\u2007'),
  dashes: (text) => text.replace(/[ -]/g, '-'),
  non_breaking_hyphens: (text) => text.replace(/[ -]/g, '\u2011'),
  en_dashes: (text) => text.replace(/[ -]/g, '\u2013'),
}

/** Invisible characters inside a text. */
const insertions: Readonly<Record<string, (text: string) => string>> = {
  zero_width: after('\u200b', 3),
  joiners: after('\u200d', 4),
  soft_hyphens: after('\u00ad', 5),
  variation_selectors: after('\ufe0f', 2),
  word_joiners: after('\u2060', 3),
  bidi: after('\u200e', 6),
}

/** What `${name}` of a name in `functions` is applied to: the text between marks, and around them. */
const charwise = (apply: (text: string) => string, text: string): string =>
  text
    .split(marks)
    .map((part) => (marks.test(part) ? part : apply(part)))
    .join('')

/** The value of a text in base64: the units that hold any bit of it. */
function base64(text: string, alphabet: 'base64' | 'base64url'): string {
  const [before = '', value, behind = ''] = text.split(marks).filter((part) => !marks.test(part))
  const bytes = (part: string): number => Buffer.byteLength(part)
  const encoded = Buffer.from(before + (value ?? '') + behind).toString(alphabet)
  if (value === undefined) return encoded
  const from = Math.floor((bytes(before) * 4) / 3)
  const to = Math.ceil((bytes(before + value) * 4) / 3)
  return [
    encoded.slice(0, from),
    MARK.open,
    encoded.slice(from, to),
    MARK.close,
    encoded.slice(to),
  ].join('')
}

/** @throws {Error} for a name that is not known, or a brace that is not closed. */
export function expand(template: string): string {
  let out = ''
  let at = 0
  for (;;) {
    const open = template.indexOf('${', at)
    if (open === -1) return out + template.slice(at)
    if (template.charAt(open - 1) === '$') {
      out += `${template.slice(at, open - 1)}\${`
      at = open + 2
      continue
    }
    const close = closing(template, open + 2)
    out += template.slice(at, open) + placeholder(template.slice(open + 2, close))
    at = close + 1
  }
}

function placeholder(content: string): string {
  const colon = content.indexOf(':')
  const name = colon === -1 ? content : content.slice(0, colon)
  if (colon === -1) {
    const constant = constants[name]
    if (constant === undefined) throw new Error(`no such placeholder: ${name}`)
    return constant
  }
  const inner = expand(content.slice(colon + 1))
  if (name === 'base64' || name === 'base64url') return base64(inner, name)
  const insert = insertions[name]
  if (insert !== undefined) return insert(inner)
  const apply = functions[name]
  if (apply === undefined) throw new Error(`no such function: ${name}`)
  return charwise(apply, inner)
}

function closing(template: string, from: number): number {
  let depth = 1
  for (let at = from; at < template.length; at++) {
    if (template.charAt(at) === '{') depth++
    else if (template.charAt(at) === '}' && --depth === 0) return at
  }
  throw new Error(`a brace is not closed: ${template}`)
}
