import { createHash, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
// Another verifier, written from docs/evidence-format.md alone, that shares no code with the first; it names only kinds.
type Problem = { readonly code: string; readonly index: number | undefined }
export type Verdict = { problems: Problem[]; freshness: 'proven' | 'unproven' }

const sha = (...parts: (Buffer | string)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const node = (left: Buffer, right: Buffer): Buffer => sha(Buffer.of(1), left, right)
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && Number(n) >= 0

/** An object with these members and no others, or an empty one. */
function object(value: unknown, members?: string): Record<string, unknown> {
  const it = Object(value) === value ? (value as Record<string, unknown>) : {}
  return members === undefined || Object.keys(it).sort().join(' ') === members ? it : {}
}

/** An empty object for what is no object, or is not exactly as it is written. */
function lineOf(text = '', members?: string, exactly = true): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return exactly && JSON.stringify(value) !== text ? {} : object(value, members)
  } catch {
    return {}
  }
}
function bytes(text: unknown, coding: 'base64' | 'hex', size?: number): Buffer | undefined {
  const read = Buffer.from(typeof text === 'string' ? text : '', coding)
  return read.toString(coding) === text && (size ?? read.length) === read.length ? read : undefined
}
const hashes = (all: unknown): Buffer[] => list(all).map((hash) => bytes(hash, 'hex', 32) ?? sha())

function keyOf(vkey: unknown) {
  const [, name = '', id, coded] = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/u.exec(String(vkey)) ?? []
  const raw = bytes(coded, 'base64', 33) ?? Buffer.alloc(33)
  const time = { 1: 0, 4: 8 }[raw[0] ?? 0]
  if (time === undefined || sha(name, '\n', raw).toString('hex', 0, 4) !== id) return undefined
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw.subarray(1)])
  return { name, id, time, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}
function noteOf(text: unknown) {
  const form = /^(([^\n]+)\n(0|[1-9]\d*)\n([^\n]+)\n)\n((?:— [^\s+]+ \S+\n)+)$/u
  const [, body = '', origin = '', digits, base64, signed = ''] = form.exec(String(text)) ?? []
  const [size, root] = [Number(digits), bytes(base64, 'base64', 32)]
  const lines = [...signed.matchAll(/— (\S+) (\S+)\n/gu)]
  const signatures = lines.map(([, name, line]) => ({ name, line: bytes(line, 'base64') }))
  const whole = root && isCount(size) && signatures.every(({ line }) => line && line.length >= 68)
  return whole ? { origin, size, root, body, signatures } : undefined
}
type Note = NonNullable<ReturnType<typeof noteOf>>
const NONE: Note = { origin: '', size: -1, root: sha(), body: '', signatures: [] }

/** Whether a key of the log signed it, and no signature of a known key is wrong. */
function isSigned(note: Note, keys: ReturnType<typeof keyOf>[], origin: unknown): boolean {
  let byLog = false
  for (const { name, line = Buffer.alloc(0) } of note.signatures)
    for (const key of keys) {
      if (key?.name !== name || line.toString('hex', 0, 4) !== key?.id) continue
      if (line.length !== 68 + key.time) return false
      const head = key.time ? `cosignature/v1\ntime ${line.readBigUInt64BE(4)}\n` : ''
      if (!verify(null, Buffer.from(head + note.body), key.key, line.subarray(-64))) return false
      byLog ||= key.time === 0 && name === origin
    }
  return byLog && note.origin === origin
}

/** Whether a proof of RFC 6962 §2.1.2 leads from the root `first` of m leaves to `second` of n; it eats the proof. */
function isExtended(m: number, n: number, proof: Buffer[], first: Buffer, second: Buffer): boolean {
  function roots(m: number, n: number, whole: boolean): [Buffer, Buffer] {
    const hash = m === n && whole ? first : (proof.pop() ?? sha())
    if (m === n) return [hash, hash]
    const k = 2 ** Math.floor(Math.log2(n - 1))
    const [before, after] = m <= k ? roots(m, k, whole) : roots(m - k, n - k, false)
    return m <= k ? [before, node(after, hash)] : [node(hash, before), node(hash, after)]
  }
  const [before, after] = m < 1 || m >= n ? [] : roots(m, n, true)
  return proof.length === 0 && !!before?.equals(first) && !!after?.equals(second)
}

/** The tree as its compact range, from some leaves on. */
function treeOf(from: number, given: readonly Buffer[]) {
  const ones = [...from.toString(2)].flatMap((bit, at, { length }) => (+bit ? length - 1 - at : []))
  const range = given.map((hash, at) => ({ level: ones[at], hash }))
  function append(hash: Buffer, level = 0): void {
    const last = range.at(-1)
    if (last?.level !== level) return void range.push({ level, hash })
    range.pop()
    append(node(last.hash, hash), level + 1)
  }
  const root = () => range.map(({ hash }) => hash).reduceRight((right, left) => node(left, right))
  return { fits: ones.length === given.length, append, root: () => (range[0] ? root() : sha()) }
}

/** @param file gzip. @param vkeys of the log. @param anchors notes that were kept outside. */
export function verifyAgain(file: Buffer, vkeys: string[], anchors: string[]): Verdict {
  const verdict: Verdict = { problems: [], freshness: 'unproven' }
  const say = (code: string, index?: number) => void verdict.problems.push({ code, index })
  const keys = vkeys.map(keyOf)
  let lines: string[] = []
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    lines = decoder.decode(gunzipSync(file)).replace(/\n$/, '').split('\n')
  } catch {
    say('cut')
  }
  const head = lineOf(lines[0], 'checkpoint exported_ms format from origin range size version')
  const { format, version, origin, exported_ms, from, size } = head
  const [final, range] = [noteOf(head['checkpoint']) ?? NONE, hashes(head['range'])]
  const tree = treeOf(Number(from), range)
  const known = format === 'countersign-evidence' && version === 1 && isCount(exported_ms)
  if (!known || !isCount(from) || !isCount(size) || from > size || !tree.fits)
    return { problems: [{ code: 'head', index: undefined }], freshness: 'unproven' }
  if (final.size !== size || !isSigned(final, keys, origin)) say('signature')
  const held = anchors.flatMap((anchor) => noteOf(anchor) ?? [])
  const [base, ends] = [tree.root(), new Set<unknown>([from, size])]
  const [wanted, found] = [new Map<unknown, { key: unknown; at: number }>(), new Set<unknown>()]
  const [roots, journals] = [new Map([[from, base]]), new Map<string, number>()]
  const [between, proofs, misfits]: [Note[], Record<string, unknown>[], number[]] = [[], [], []]
  let [next, leaves, ended] = [from, 0, false]
  function compare(note: Note): void {
    between.push(note)
    if (!note.root.equals(tree.root())) misfits.push(note.size)
    else misfits.splice(0).forEach((before) => say('fork', before))
  }
  function take(index: number, text: string, hash: Buffer, end: number): void {
    leaves++
    if (!text.isWellFormed() || !sha('\0', text).equals(hash)) say('changed', index)
    if (index < next) return say('doubled', index)
    while (next < index && next < end) say('dropped', next++)
    if (index >= end) say('inserted', index)
    next = index + 1
    tree.append(hash)
    if (held.some((anchor) => anchor.size === next)) roots.set(next, tree.root())
    const leaf = lineOf(text, undefined, false)
    const { pep, epoch, seq } = object(leaf['source'])
    const content = object(leaf['content'])
    for (const digest of [content['sealed'], ...list(content['blocks'])])
      wanted.set(digest, { key: content['key'], at: index })
    const at_ms = typeof leaf['logged_ms'] === 'number' ? Math.abs(leaf['logged_ms']) : Infinity
    if (leaf['v'] !== 1 || at_ms > 8.64e15) say('leaf', index)
    const named = [leaf['vkey'], leaf['before'], ...list(leaf['also'])]
    if (leaf['kind'] === 'key') keys.push(...named.map(keyOf))
    const journal = JSON.stringify([pep, epoch])
    const due = journals.get(journal) ?? (from && seq)
    if (pep !== undefined && (!isCount(seq) || seq !== due)) say('journal', index)
    journals.set(journal, Number(seq) + 1)
  }
  for (const [at, text] of lines.slice(1).entries()) {
    const line = lineOf(text)
    const { index, leaf, hash } = object(line, 'hash index leaf')
    const kind = Object.keys(line).join(' ')
    const inner = object(line[kind])
    const note = kind === 'checkpoint' ? noteOf(line[kind]) : undefined
    const stored = bytes(hash, 'hex', 32)
    if (isCount(index) && typeof leaf === 'string' && stored) take(index, leaf, stored, size)
    else if (kind === 'sealed' || kind === 'block') {
      const digest = sha(bytes(object(inner, 'bytes index')['bytes'], 'base64') ?? '').toString(
        'hex',
      )
      const piece = wanted.get(digest)
      if (piece?.at !== next - 1 || piece.at !== inner['index']) say('content', next - 1)
      else found.add(digest).add(piece.key)
    } else if (note?.size === next) compare(note)
    else if (note) say('moved', note.size)
    else if (kind === 'consistency') proofs.push(object(inner, 'from hashes to'))
    else if (kind !== 'end' || at !== lines.length - 2) say('line')
    else ended = object(inner, 'leaves')['leaves'] === leaves
  }
  if (!ended) say('cut')
  while (next < size) say('dropped', next++)
  compare(final)
  misfits.forEach((at) => say('root', at))
  wanted.forEach(({ key, at }, one) => found.has(key) && !found.has(one) && say('missing', at))
  between.forEach((note) => isSigned(note, keys, origin) || say('signature', note.size))
  for (const anchor of held) {
    const proof = proofs.findLast((one) => one['from'] === anchor.size && ends.has(one['to']))
    const [n, end] = proof?.['to'] === from ? [from, base] : [size, final.root]
    if (!isSigned(anchor, keys, origin)) say('anchor')
    else if (anchor.size > size) say('rolled back', anchor.size)
    else if (anchor.size >= from || proof) {
      const [fits, path] = [roots.get(anchor.size)?.equals(anchor.root), hashes(proof?.['hashes'])]
      if (fits ?? isExtended(anchor.size, n, path, anchor.root, end)) verdict.freshness = 'proven'
      else say('fork', anchor.size)
    }
  }
  if (held.length < anchors.length && verdict.freshness !== 'proven') say('anchor')
  return verdict
}

if (import.meta.main) {
  const [file = '', vkey = '', anchors] = process.argv.slice(2)
  process.on('uncaughtException', ({ message }) => process.exit((console.error(message), 2)))
  if (!keyOf(vkey)) throw new Error('usage: second-verifier.ts <file> <verifier key> [<anchors>]')
  const kept = anchors ? readFileSync(anchors, 'utf8').match(/(.+\n)+\n(— .+\n)+/gu) : []
  const { problems, freshness } = verifyAgain(readFileSync(file), [vkey], kept ?? [''])
  console.log(JSON.stringify({ problems, freshness }, undefined, 1))
  process.exitCode = problems.length > 0 ? 1 : freshness === 'proven' ? 0 : 5
}
