import { isIPv4, isIPv6 } from 'node:net'
import type { Spend } from '../steps.ts'
import { isArray, isObject, isSet, num, type Value } from '../value.ts'
import { elements, failed, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'

/** Blocks of addresses. IPv4 addresses are the IPv6 ones mapped to them, as in Go. */
export const net: Builtins = {
  'net.cidr_is_valid': (args) => typeof args[0] === 'string' && parseBlock(args[0]) !== undefined,
  'net.cidr_expand': (args, { spend }) => {
    const { first, last } = block(text(args, 0))
    if (last - first >= MOST_EXPANDED)
      throw new Error(`net.cidr_expand: more than ${MOST_EXPANDED} addresses`)
    spend(Number(last - first + 1n) * STEPS_AN_ADDRESS)
    const addresses = new Set<string>()
    for (let one = first; one <= last; one += 1n) addresses.add(addressText(one))
    return addresses
  },
  'net.cidr_contains_matches': (args, { spend }) =>
    new Set(containsMatches(indexed(args[0]), indexed(args[1]), spend)),
  'net.cidr_merge': (args, { spend }) => {
    const all = elements(args, 0)
    spend(all.length * STEPS_A_BLOCK)
    return new Set(merge(all.map(mergeable)))
  },
}

const MOST_EXPANDED = 65_536n
const STEPS_AN_ADDRESS = 40
/** Reading one, and writing it in its shortest form. */
const STEPS_A_BLOCK = 1000
const STEPS_A_PAIR = 8
const MAPPED = 0xffffn << 32n

type Block = { readonly first: bigint; readonly last: bigint }

function block(written: string): Block {
  const parsed = parseBlock(written)
  if (parsed) return parsed
  throw failed(`invalid CIDR address: ${written}`)
}

function parseBlock(written: string): Block | undefined {
  const [, address = '', prefix = ''] = /^([^/]+)\/(\d+)$/.exec(written) ?? []
  const parsed = parseAddress(address)
  const bits = isIPv4(address) ? 32 : 128
  if (parsed === undefined || Number(prefix) > bits) return undefined
  return around(parsed, bits - Number(prefix))
}

/** The block of `2^host` addresses that an address is in. */
function around(address: bigint, host: number): Block {
  const first = (address >> BigInt(host)) << BigInt(host)
  return { first, last: first + (1n << BigInt(host)) - 1n }
}

function parseAddress(address: string): bigint | undefined {
  if (isIPv4(address)) return MAPPED | BigInt(`0x${ipv4Hex(address)}`)
  if (!isIPv6(address) || address.includes('%')) return undefined
  const groups = address
    .replace(/[\d.]+$/, (tail) =>
      tail.includes('.') ? ipv4Hex(tail).replace(/^(.{4})/, '$1:') : tail,
    )
    .split('::')
    .map((side) => (side === '' ? [] : side.split(':')))
  const [head = [], tail] = groups
  const zeros = tail === undefined ? [] : Array<string>(8 - head.length - tail.length).fill('0')
  const all = [...head, ...zeros, ...(tail ?? [])]
  return BigInt(`0x${all.map((group) => group.padStart(4, '0')).join('')}`)
}

const ipv4Hex = (address: string): string =>
  address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')

const isMapped = (address: bigint): boolean => address >> 32n === 0xffffn

function addressText(address: bigint): string {
  if (isMapped(address)) return ipv4Text(address)
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((address >> BigInt(112 - 16 * at)) & 0xffffn).toString(16),
  )
  // RFC 5952 §4.2: the first longest run of two zeros or more is `::`.
  let [start, length] = [0, 1]
  for (let at = 0; at < 8; at += 1) {
    const run = groups.slice(at).findIndex((group) => group !== '0')
    const zeros = run === -1 ? 8 - at : run
    if (zeros > length) [start, length] = [at, zeros]
  }
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

const ipv4Text = (address: bigint): string =>
  [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 0xffn).join('.')

/** Addresses and blocks with where they are: their index, themselves, or their key. */
function indexed(value: Value | undefined): (readonly [string, Value])[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [[value, value]]
  if (isArray(value)) return value.map((one, at) => [matchText(one), num(at)])
  if (isSet(value)) return [...value].map((one) => [matchText(one), one])
  return isObject(value) ? [...value].map(([key, one]) => [matchText(one), key]) : []
}

function matchText(value: Value): string {
  const first = isArray(value) ? value[0] : value
  if (typeof first === 'string') return first
  throw failed('element must be string or non-empty array')
}

type Indexed = readonly (readonly [string, Value])[]

/** Pairs of a block and what is in it. Each is read once, and none when there is nothing to compare it with. */
function containsMatches(blocks: Indexed, others: Indexed, spend: Spend): Value[] {
  if (blocks.length === 0 || others.length === 0) return []
  spend((blocks.length + others.length) * STEPS_A_BLOCK)
  const outer = blocks.map(([written, name]) => ({ ...block(written), name }))
  const inner = others
    .map(([written, name]) => ({ ...addressOrBlock(written), name }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  return outer.flatMap(({ first, last, name }) => {
    const found: Value[] = []
    const mapped = isMapped(first)
    for (let at = firstPast(inner, first); at < inner.length; at += 1) {
      spend(STEPS_A_PAIR)
      const one = inner[at]
      if (!one || one.first > last) break
      // A block that no IPv4 address begins has none.
      if (one.last <= last && isMapped(one.first) === mapped) found.push([name, one.name])
    }
    return found
  })
}

/** @returns where the blocks begin that do not begin before an address. */
function firstPast(blocks: readonly Block[], address: bigint): number {
  let [low, high] = [0, blocks.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((blocks[middle]?.first ?? 0n) < address) low = middle + 1
    else high = middle
  }
  return low
}

function addressOrBlock(written: string): Block {
  const address = parseAddress(written)
  return address === undefined ? block(written) : { first: address, last: address }
}

/** A block that was not merged keeps its text, with the host bits that a lone address has. */
type Range = { readonly first: bigint; readonly last: bigint; readonly text?: string }

function mergeable(value: Value): Range {
  if (typeof value !== 'string') throw failed('element must be string')
  const address = parseAddress(value)
  if (address === undefined) {
    const parsed = block(value)
    return { ...parsed, text: blocksOf(parsed).join() }
  }
  if (!isMapped(address)) throw failed('IPv6 invalid: needs prefix length')
  // The mask of the address's class, as before CIDR.
  const top = Number((address >> 24n) & 0xffn)
  const prefix = top < 0x80 ? 8 : top < 0xc0 ? 16 : 24
  return { ...around(address, 32 - prefix), text: `${ipv4Text(address)}/${prefix}` }
}

function merge(ranges: readonly Range[]): string[] {
  const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
  const ordered = ranges.toSorted((a, b) => order(a.last, b.last) || order(a.first, b.first))
  // From the last to the first.
  const merged: Range[] = []
  for (const before of ordered.toReversed()) {
    const one = merged.at(-1)
    if (!one || one.first - 1n > before.last) merged.push(before)
    else {
      const first = before.first < one.first ? before.first : one.first
      merged[merged.length - 1] = { first, last: one.last }
    }
  }
  return merged.flatMap((range) => (range.text === undefined ? blocksOf(range) : [range.text]))
}

/** The fewest blocks that make up a range. */
function blocksOf({ first, last }: Block): string[] {
  const blocks: string[] = []
  for (let at = first; at <= last;) {
    let host = 0
    while (
      host < 128 &&
      at % (1n << BigInt(host + 1)) === 0n &&
      at + (1n << BigInt(host + 1)) - 1n <= last
    )
      host += 1
    const bits = isMapped(at) && host <= 32 ? 32 : 128
    blocks.push(`${addressText(at)}/${bits - host}`)
    at += 1n << BigInt(host)
  }
  return blocks
}
