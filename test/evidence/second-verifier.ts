import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/*
 * A second verifier, written from docs/evidence-format.md alone and sharing no code with the first: what both miss is a
 * mistake of the format and not of a programmer. It holds the whole file in memory, and names only the kind of a problem.
 */
export type Verdict = {
  readonly problems: { readonly code: string; readonly index?: number }[]
  readonly freshness: 'proven' | 'unproven'
}
type Json = { readonly [member: string]: unknown }

const sha = (...parts: (Buffer | string)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const node = (left: Buffer, right: Buffer): Buffer => sha(Buffer.of(1), left, right)
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

/** An object with these members and no others, or an empty one. */
function object(value: unknown, members?: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const is = Object.keys(value).sort().join(' ')
  return members === undefined || is === members ? (value as Json) : {}
}

function parse(text: string, exactly: boolean): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return exactly && JSON.stringify(value) !== text ? undefined : value
  } catch {
    return undefined
  }
}

function bytes(value: unknown, coding: 'base64' | 'hex', length?: number): Buffer | undefined {
  const read = Buffer.from(typeof value === 'string' ? value : '', coding)
  return read.toString(coding) === value && (length ?? read.length) === read.length
    ? read
    : undefined
}
const hashes = (value: unknown): Buffer[] =>
  list(value).map((hash) => bytes(hash, 'hex', 32) ?? Buffer.alloc(0))

function keyOf(vkey: unknown) {
  const [, name = '', id = '', coded] = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/u.exec(String(vkey)) ?? []
  const raw = bytes(coded, 'base64', 33)
  if (!raw || sha(name, '\n', raw).toString('hex', 0, 4) !== id || ![1, 4].includes(raw[0] ?? 0))
    return undefined
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw.subarray(1)])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return { name, id, key, time: raw[0] === 4 ? 8 : 0 }
}

function noteOf(text: unknown) {
  const form = /^(([^\n]+)\n(0|[1-9]\d*)\n([^\n]+)\n)\n((?:— [^\s+]+ [^\s]+\n)+)$/u
  const [, body = '', origin = '', size, root, last = ''] = form.exec(String(text)) ?? []
  const hash = bytes(root, 'base64', 32)
  const lines = last
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '))
  const signatures = lines.map(([, name, line]) => ({ name, line: bytes(line, 'base64') }))
  if (!hash || !isCount(Number(size)) || !signatures.every(({ line }) => line)) return undefined
  return { origin, size: Number(size), root: hash, body, signatures }
}
type Note = NonNullable<ReturnType<typeof noteOf>>

/** Whether a key of the log signed it, and no signature of a known key is wrong. */
function isSigned(note: Note, keys: readonly ReturnType<typeof keyOf>[]): boolean {
  let byLog = false
  for (const { name, line = Buffer.alloc(0) } of note.signatures)
    for (const key of keys) {
      if (key?.name !== name || line.toString('hex', 0, 4) !== key?.id) continue
      const signature = line.subarray(4 + key.time)
      if (signature.length !== 64) return false
      const head = key.time ? `cosignature/v1\ntime ${line.readBigUInt64BE(4)}\n` : ''
      if (!verifySignature(null, Buffer.from(head + note.body), key.key, signature)) return false
      byLog ||= key.time === 0 && name === note.origin
    }
  return byLog
}

/** RFC 9162 §2.1.4.2. */
function isConsistent(
  m: number,
  n: number,
  path: Buffer[],
  first: Buffer,
  second: Buffer,
): boolean {
  const [start, ...rest] = Number.isInteger(Math.log2(m)) ? [first, ...path] : path
  let [fn, sn, fr, sr] = [m - 1, n - 1, start, start]
  const up = () => ([fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)])
  if (m < 1 || m >= n || !fr || !sr) return false
  while (fn % 2 === 1) up()
  for (const hash of rest) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      fr = node(hash, fr)
      sr = node(hash, sr)
      while (fn % 2 === 0 && fn !== 0) up()
    } else sr = node(sr, hash)
    up()
  }
  return sn === 0 && fr.equals(first) && sr.equals(second)
}

/** The compact range of a tree that begins with `from` leaves. Undefined when the hashes are not as many. */
function treeOf(from: number, given: Buffer[]) {
  const bits = [...from.toString(2)].map((bit, at, all) => (bit === '1' ? all.length - 1 - at : -1))
  const levels = bits.filter((level) => level >= 0)
  const range = given.map((hash, at) => ({ level: levels[at], hash }))
  if (levels.length !== given.length || given.some((hash) => hash.length !== 32)) return undefined
  return {
    append(hash: Buffer): void {
      let added = { level: 0, hash }
      for (let last = range.at(-1); last?.level === added.level; last = range.at(-1)) {
        added = { level: added.level + 1, hash: node(last.hash, added.hash) }
        range.pop()
      }
      range.push(added)
    },
    root: (): Buffer =>
      range.length === 0
        ? sha()
        : range.map(({ hash }) => hash).reduceRight((right, left) => node(left, right)),
  }
}

/** @param file gzip. @param vkeys of the log. @param anchors notes that were kept outside. */
export function verifyAgain(file: Buffer, vkeys: string[], anchors: string[]): Verdict {
  const problems: { code: string; index?: number }[] = []
  const say = (code: string, index?: number) =>
    void problems.push({ code, ...(index !== undefined && { index }) })
  const keys = vkeys.map(keyOf)
  let lines: string[] = []
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    lines = decoder.decode(gunzipSync(file)).replace(/\n$/, '').split('\n')
  } catch {
    say('cut')
  }
  const members = 'checkpoint exported_ms format from origin range size version'
  const { format, version, origin, exported_ms, from, size, range, checkpoint } = object(
    parse(lines.shift() ?? '', true),
    members,
  )
  const [final, tree] = [
    noteOf(checkpoint),
    isCount(from) ? treeOf(from, hashes(range)) : undefined,
  ]
  const known = format === 'countersign-evidence' && version === 1 && isCount(exported_ms)
  if (!known || !isCount(from) || !isCount(size) || from > size || !tree || final?.size !== size) {
    say('head')
    return { problems, freshness: 'unproven' }
  }
  if (final.origin !== origin || !isSigned(final, keys)) say('signature', size)

  const held = anchors.map(noteOf)
  const roots = new Map<number, Buffer>()
  const [between, proofs, journals]: [Note[], Json[], Map<string, number>] = [[], [], new Map()]
  let [next, leaves, ended, content, misfits] = [from, 0, false, {} as Json, [] as number[]]
  const keep = () => held.some((anchor) => anchor?.size === next) && roots.set(next, tree.root())
  const compare = (note: Note) => {
    const fits = note.root.equals(tree.root())
    if (fits) misfits.forEach((at) => say('fork', at))
    misfits = fits ? [] : [...misfits, note.size]
  }
  const take = (index: number, text: string, hash: Buffer) => {
    if (!text.isWellFormed() || !sha('\0', text).equals(hash)) say('changed', index)
    if (index < next) return say('doubled', index)
    while (next < index && next < size) say('dropped', next++)
    if (index >= size) say('inserted', index)
    next = index + 1
    tree.append(hash)
    keep()
    const leaf = object(parse(text, false))
    const { pep, epoch, seq } = object(leaf['source'])
    content = object(leaf['content'])
    if (leaf['v'] !== 1 || typeof leaf['logged_ms'] !== 'number') say('leaf', index)
    if (leaf['kind'] === 'key')
      keys.push(...[leaf['vkey'], leaf['before'], ...list(leaf['also'])].map(keyOf))
    if (pep === undefined) return
    const journal = JSON.stringify([pep, epoch])
    if (!isCount(seq) || seq !== (journals.get(journal) ?? (from && seq))) say('journal', index)
    journals.set(journal, Number(seq) + 1)
  }
  keep()
  for (const text of lines) {
    const line = object(parse(text, true))
    const { index, leaf, hash } = object(line, 'hash index leaf')
    const kind = Object.keys(line).join(' ')
    const inner = object(line[kind])
    const note = kind === 'checkpoint' ? noteOf(line[kind]) : undefined
    const stored = bytes(hash, 'hex', 32)
    if (ended) say('behind the end')
    else if (isCount(index) && typeof leaf === 'string' && stored) {
      leaves++
      take(index, leaf, stored)
    } else if (kind === 'sealed' || kind === 'block') {
      const named = kind === 'sealed' ? [content['sealed']] : list(content['blocks'])
      const data = bytes(object(inner, 'bytes index')['bytes'], 'base64')
      if (!data || inner['index'] !== next - 1 || !named.includes(sha(data).toString('hex')))
        say('content', next - 1)
    } else if (note) {
      if (note.size === next) compare(note)
      else say('moved', note.size)
      between.push(note)
    } else if (kind === 'consistency') proofs.push(object(inner, 'from hashes to'))
    else if (kind === 'end' && object(inner, 'leaves')['leaves'] === leaves) ended = true
    else say('line')
  }
  if (!ended) say('cut')
  while (next < size) say('dropped', next++)
  compare(final)
  misfits.forEach((at) => say('root', at))
  for (const note of between)
    if (note.origin !== origin || !isSigned(note, keys)) say('signature', note.size)

  let freshness: Verdict['freshness'] = 'unproven'
  for (const anchor of held) {
    const proof = proofs.findLast((one) => one['from'] === anchor?.size)
    const to = proof?.['to'] === from ? from : size
    if (!anchor || anchor.origin !== origin || !isSigned(anchor, keys)) say('anchor')
    else if (anchor.size > size) say('rolled back', anchor.size)
    else if (anchor.size < from && !proof) continue
    else {
      const second = to === size ? final.root : treeOf(from, hashes(range))?.root()
      const fits =
        anchor.size < from
          ? second && isConsistent(anchor.size, to, hashes(proof?.['hashes']), anchor.root, second)
          : roots.get(anchor.size)?.equals(anchor.root)
      if (fits) freshness = 'proven'
      else say('fork', anchor.size)
    }
  }
  return { problems, freshness }
}

/** The notes of a file that they are appended to. */
const notesOf = (text: string): string[] => text.match(/(?:[^\n]+\n)+\n(?:— [^\n]+\n)+/gu) ?? [text]

if (import.meta.main) {
  const [file = '', vkey = '', anchors] = process.argv.slice(2)
  process.exitCode = 2
  if (!keyOf(vkey)) throw new Error('usage: second-verifier.ts <file> <verifier key> [<anchors>]')
  const notes = anchors === undefined ? [] : notesOf(readFileSync(anchors, 'utf8'))
  const { problems, freshness } = verifyAgain(readFileSync(file), [vkey], notes)
  for (const { code, index } of problems) console.log(code, index ?? '')
  console.log(`${problems.length} problems, freshness ${freshness}`)
  process.exitCode = problems.length > 0 ? 1 : freshness === 'proven' ? 0 : 5
}
