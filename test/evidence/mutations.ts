import { randomBytes } from 'node:crypto'
import { type TestKey, testKey } from '../../pdp/evidence/testing.ts'
import { ED25519 } from '../../pdp/evidence/note.ts'
import {
  type CheckpointRow,
  keptSignatures,
  type LeafRow,
  rehashed,
  resigned,
  type Rows,
  signing,
} from './forging.ts'
import { ORIGIN } from './recorded-log.ts'

/** Tampering with the tables of a log, at random; the same for the same seed. */

export const KINDS = [
  'edit',
  'delete',
  'insert',
  'reorder',
  'truncate',
  'replace a body',
  'restore',
  'fork',
  'checkpoints',
] as const
export type Kind = (typeof KINDS)[number]

/** How far whoever forged it went to make the rest fit. */
export const EFFORTS = [
  'none',
  'hashes',
  'tree',
  'old signatures',
  'another key',
  'a key leaf',
  'no later checkpoints',
  'the signing key',
  'the signing key, once',
] as const
export type Effort = (typeof EFFORTS)[number]

export type Mutation = {
  readonly kind: Kind
  readonly effort: Effort
  readonly rows: Rows
  /** What the first verifier has to say, where that is one thing. */
  readonly expected?: { readonly code: string; readonly index?: number }
  /** Whether whoever has no anchor may see nothing of it. */
  readonly needsAnchor?: true
}

/** Numbers at random: an integer below `n`. mulberry32. */
export type Dice = (n: number) => number
export function dice(seed: number): Dice {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

const pick = <T>(roll: Dice, all: readonly T[]): T => {
  const one = all[roll(all.length)]
  if (one === undefined) throw new Error('there is nothing to choose from')
  return one
}

/** @param key that signed the newest checkpoint. */
export function mutation(seed: number, base: Rows, key: TestKey): Mutation {
  const roll = dice(seed)
  const kind = pick(roll, KINDS)
  if (kind === 'replace a body') return replacedBody(roll, base)
  if (kind === 'restore') return restored(roll, base)
  if (kind === 'checkpoints') return changedCheckpoints(roll, base)
  const effort =
    kind === 'fork' ? pick(roll, EFFORTS.slice(EFFORTS.indexOf('tree'))) : pick(roll, EFFORTS)
  const changed = CHANGES[kind](roll, base.leaves)
  const forged = forge({ roll, base, leaves: changed.leaves, effort, key })
  // What is left of the log as it was, with a checkpoint of then, is an older copy.
  const isOlder = forged.rows.leaves.every((row, n) => row.leaf === base.leaves[n]?.leaf)
  return {
    kind,
    effort,
    ...forged,
    ...(isOlder && effort !== 'none' && { needsAnchor: true as const }),
    ...(effort === 'none' && changed.expected && { expected: changed.expected }),
  }
}

type Changed = { readonly leaves: LeafRow[]; readonly expected?: Mutation['expected'] }
type Change = (roll: Dice, leaves: readonly LeafRow[]) => Changed

const CHANGES: Readonly<
  Record<'edit' | 'delete' | 'insert' | 'reorder' | 'truncate' | 'fork', Change>
> = {
  edit(roll, leaves) {
    const at = roll(leaves.length)
    const leaf = edited(roll, leaves, at)
    return {
      leaves: leaves.map((row, n) => (n === at ? { ...row, leaf } : row)),
      expected: { code: 'leaf_changed', index: at },
    }
  },
  delete(roll, leaves) {
    const at = roll(leaves.length)
    const count = Math.min(1 + roll(3), leaves.length - at)
    const rest = leaves.toSpliced(at, count)
    if (roll(2) === 0) return { leaves: renumbered(rest) }
    return {
      leaves: rest,
      expected: { code: at + count === leaves.length ? 'tail_cut' : 'dropped' },
    }
  },
  insert(roll, leaves) {
    // Behind the newest checkpoint it would be the next leaf, as anybody may append one who owns the database.
    const at = roll(leaves.length)
    const { leaf, hash } = pick(roll, leaves)
    const row =
      roll(2) === 0 ? { leaf, hash } : { leaf: edited(roll, leaves, at), hash: randomBytes(32) }
    return { leaves: renumbered(leaves.toSpliced(at, 0, { ...row, idx: at })) }
  },
  reorder(roll, leaves) {
    const [from, to] = [roll(leaves.length), roll(leaves.length - 1)]
    const rest = leaves.toSpliced(from, 1)
    const moved = leaves[from]
    if (!moved) throw new Error('there is a leaf')
    // Another place than its own.
    return { leaves: renumbered(rest.toSpliced(to < from ? to : to + 1, 0, moved)) }
  },
  truncate: (roll, leaves) => ({
    leaves: leaves.slice(0, 1 + roll(leaves.length - 1)),
    expected: { code: 'tail_cut' },
  }),
  fork(roll, leaves) {
    const at = roll(leaves.length)
    return {
      leaves: leaves.map((row, n) =>
        n < at ? row : { ...row, leaf: row.leaf.replace('"time_ms":1', '"time_ms":2') },
      ),
    }
  },
}

/** The same rows where they are in the same place, so that only the others are written. */
const renumbered = (leaves: readonly LeafRow[]): LeafRow[] =>
  leaves.map((row, idx) => (row.idx === idx ? row : { ...row, idx }))

/** Another text than the one that is there. */
function edited(roll: Dice, leaves: readonly LeafRow[], at: number): string {
  const leaf = leaves[at]?.leaf ?? ''
  const ways = [
    leaf.replace(/"time_ms":(\d+)/, (_, time) => `"time_ms":${Number(time) + 1}`),
    leaf.replace('"allow"', '"deny"').replace('"effect"', '"effect" '),
    `${leaf.slice(0, -1)},"x":${roll(10)}}`,
    `${leaf} `,
    leaf.replace(/"[a-z_]+":/, (name) => `"\\u0061":1,${name}`),
    // Any character for any other.
    leaf.replace(leaf[roll(leaf.length)] ?? '{', String.fromCharCode(33 + roll(90))),
    '',
  ].filter((text) => text !== leaf)
  return pick(roll, ways)
}

type Forgery = {
  readonly roll: Dice
  readonly base: Rows
  readonly leaves: LeafRow[]
  readonly effort: Effort
  readonly key: TestKey
}

const thief = testKey(ORIGIN, ED25519, 'a key of whoever forged it')

function forge({ roll, base, leaves, effort, key }: Forgery): {
  readonly rows: Rows
  readonly needsAnchor?: true
} {
  if (effort === 'none') return { rows: { ...base, leaves } }
  const tree = rehashed(
    effort === 'a key leaf' ? withKeyLeaf(roll, leaves, key) : leaves,
    base.leaves,
  )
  if (effort === 'hashes') {
    // Numbers stay as they were left.
    const at = leaves.map(({ idx }, n) => ({ ...tree[n], idx })) as LeafRow[]
    return { rows: { ...base, leaves: at } }
  }
  const rows = { ...base, leaves: tree, cosignatures: [] }
  if (effort === 'tree') return { rows: { ...base, leaves: tree } }
  if (effort === 'old signatures')
    return { rows: { ...rows, checkpoints: resigned(tree, base.checkpoints, keptSignatures) } }
  if (effort === 'another key' || effort === 'a key leaf')
    return { rows: { ...rows, checkpoints: resigned(tree, base.checkpoints, signing(thief)) } }
  const first = base.leaves.findIndex((row, n) => row.leaf !== tree[n]?.leaf)
  const before = base.checkpoints.filter(({ size }) => size <= first)
  if (effort === 'no later checkpoints')
    return { rows: { ...base, leaves: tree, checkpoints: before }, needsAnchor: true }
  const whole = resigned(tree, base.checkpoints, signing(key))
  if (effort === 'the signing key')
    return { rows: { ...rows, checkpoints: whole }, needsAnchor: true }
  const newest = whole.toSorted((a, b) => a.size - b.size).at(-1)
  // Those in between are of the tree that was there.
  const between = base.checkpoints.filter(({ size }) => size < (newest?.size ?? 0))
  const forged = { ...rows, checkpoints: newest ? [...between, newest] : between }
  // Two trees show by themselves where a checkpoint in between is of what was changed.
  return between.every(({ size }) => size <= first)
    ? { rows: forged, needsAnchor: true }
    : { rows: forged }
}

/** The forger's key, as if it had been rotated in. */
function withKeyLeaf(roll: Dice, leaves: readonly LeafRow[], key: TestKey): LeafRow[] {
  const members = {
    before: key.key.vkey,
    event: 'rotated',
    kind: 'key',
    logged_ms: 1,
    source: { pdp: 'pdp-1' },
  }
  const leaf = JSON.stringify({ ...members, time_ms: 1, v: 1, vkey: thief.key.vkey })
  const at = roll(leaves.length + 1)
  return renumbered(leaves.toSpliced(at, 0, { idx: at, leaf, hash: randomBytes(32) }))
}

function replacedBody(roll: Dice, base: Rows): Mutation {
  const flipped = <T extends { readonly sealed: Uint8Array }>(row: T): T => {
    const sealed = Buffer.from(row.sealed)
    const at = roll(sealed.length)
    sealed[at] = (sealed[at] ?? 0) ^ (1 << roll(8))
    return { ...row, sealed }
  }
  const effort = 'none'
  const way = roll(5)
  if (way < 2) {
    const [row, other] = [pick(roll, base.records), pick(roll, base.records)]
    const swapped = other === row ? randomBytes(40) : other.sealed
    const forged = way === 0 ? flipped(row) : { ...row, sealed: swapped }
    const records = base.records.map((one) => (one === row ? forged : one))
    return {
      kind: 'replace a body',
      effort,
      rows: { ...base, records },
      expected: { code: 'sealed_replaced' },
    }
  }
  if (way === 2) {
    const records = base.records.toSpliced(roll(base.records.length), 1)
    return {
      kind: 'replace a body',
      effort,
      rows: { ...base, records },
      expected: { code: 'content_missing' },
    }
  }
  const row = pick(roll, base.blocks)
  const blocks = base.blocks.flatMap((one) =>
    one !== row ? [one] : way === 3 ? [flipped(row)] : [],
  )
  return {
    kind: 'replace a body',
    effort,
    rows: { ...base, blocks },
    expected: { code: 'content_missing' },
  }
}

/** The database as it was once, with what was signed then. */
function restored(roll: Dice, base: Rows): Mutation {
  const at = 1 + roll(base.checkpoints.length - 1)
  const checkpoints = base.checkpoints.slice(0, at)
  const size = checkpoints.at(-1)?.size ?? 0
  // What was taken since the checkpoint was in the backup as well.
  const until = size + roll((base.checkpoints[at]?.size ?? size + 1) - size)
  const leaves = base.leaves.slice(0, until)
  return {
    kind: 'restore',
    effort: 'none',
    rows: { ...base, leaves, checkpoints },
    needsAnchor: true,
  }
}

function changedCheckpoints(roll: Dice, base: Rows): Mutation {
  const at = roll(base.checkpoints.length)
  const row = base.checkpoints[at]
  if (!row) throw new Error('there is a checkpoint')
  const [origin = '', size = '', root = '', , ...lines] = row.note.split('\n')
  const note = (...parts: readonly string[]): CheckpointRow => ({
    ...row,
    note: [...parts, '', ...lines].join('\n'),
  })
  const other = base.checkpoints[(at + 1) % base.checkpoints.length] ?? row
  const ways: CheckpointRow[] = [
    note(origin, size, randomBytes(32).toString('base64')),
    note(origin, String(Number(size) - 1), root),
    note(`${origin}.other`, size, root),
    { ...row, note: other.note },
    { ...row, note: row.note.slice(0, -20) },
    { ...row, note: row.note.replace(/[A-Za-z0-9+/]{4}=\n/, 'AAAA\n') },
  ]
  const forged = pick(roll, ways)
  const checkpoints = base.checkpoints.map((one) => (one === row ? forged : one))
  return { kind: 'checkpoints', effort: 'none', rows: { ...base, checkpoints } }
}
