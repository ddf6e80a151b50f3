import { num, type Value } from '../value.ts'
import { failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

/** `uuid.parse`: what is written into a UUID, RFC 9562 and DCE 1.1 for version 2. */
export const uuid: Builtins = {
  'uuid.parse': (args) => parse(text(args, 0)),
}

const FORMS = [
  /^(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i,
  /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}$/i,
  /^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/i,
]

/** 100 ns steps between 1582-10-15 and 1970-01-01. */
const GREGORIAN = 122_192_928_000_000_000n
const DOMAINS = ['Person', 'Group', 'Org']

function parse(given: string): Value {
  const form = FORMS.map((one) => one.exec(given)).find((match) => match !== null)
  if (!form) throw failed('invalid UUID format')
  const bytes = Buffer.from(form.slice(1).join(''), 'hex')
  const version = (bytes[6] ?? 0) >> 4
  const fields: [string, Value][] = [
    ['variant', variantOf(bytes[8] ?? 0)],
    ['version', num(version)],
  ]
  if (version === 1 || version === 2) fields.push(...timeFields(bytes))
  if (version === 2) {
    const domain = bytes[9] ?? 0
    fields.push(
      ['id', num(bytes.readUInt32BE(0))],
      ['domain', DOMAINS[domain] ?? `Domain${domain}`],
    )
  }
  return new Map(fields)
}

function variantOf(byte: number): string {
  if ((byte & 0xc0) === 0x80) return 'RFC4122'
  if ((byte & 0xe0) === 0xc0) return 'Microsoft'
  return (byte & 0xe0) === 0xe0 ? 'Future' : 'Reserved'
}

function timeFields(bytes: Buffer): [string, Value][] {
  const [low, mid, high] = [bytes.readUInt32BE(0), bytes.readUInt16BE(4), bytes.readUInt16BE(6)]
  const steps = (BigInt(high & 0xfff) << 48n) | (BigInt(mid) << 32n) | BigInt(low)
  const node = bytes.subarray(10)
  const first = node[0] ?? 0
  return [
    ['nodeid', [...node].map((byte) => byte.toString(16).padStart(2, '0')).join('-')],
    ['macvariables', `${first & 2 ? 'local' : 'global'}:${first & 1 ? 'multicast' : 'unicast'}`],
    ['time', num((steps - GREGORIAN) * 100n)],
    ['clocksequence', num(bytes.readUInt16BE(8) & 0x3fff)],
  ]
}
