import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerifierKey } from '../../pdp/evidence/note.ts'
import { exitCodeOf, type Report } from '../../scripts/evidence/report.ts'
import { verifyExport } from '../../scripts/evidence/verify.ts'
import { becomeSuperuser, type Superuser } from './forging.ts'
import { KINDS, type Mutation, mutation } from './mutations.ts'
import { type RecordedLog, recordLog } from './recorded-log.ts'
import { type Verdict, verifyAgain } from './second-verifier.ts'

/** `npm run test:evidence` makes ten thousand, and others with another first seed. */
const MUTATIONS = Number(process.env['COUNTERSIGN_MUTATIONS'] ?? 200)
const SEED = Number(process.env['COUNTERSIGN_SEED'] ?? 1)

let log: RecordedLog
let superuser: Superuser
let keys: readonly VerifierKey[]
let newest: readonly VerifierKey[]
beforeAll(async () => {
  log = await recordLog(7)
  keys = [...log.keys, log.witness].map(({ key }) => key)
  newest = [log.keys[0].key]
  superuser = await becomeSuperuser(log.url)
})
afterAll(() => superuser.end())

type Verdicts = { readonly first: Report; readonly second: Verdict }

type Verify = (anchors: readonly string[], trusted?: readonly VerifierKey[]) => Promise<Verdicts>

/** Both verifiers on the same file. They must agree whether something is wrong, and about freshness. */
function verifying(lines: readonly string[]): Verify {
  const file = gzipSync(lines.join(''), { level: 1 })
  async function* each() {
    for (const line of lines) yield line.replace(/\n$/, '')
  }
  return async (anchors, trusted = keys) => {
    const first = await verifyExport(each(), { keys: trusted, anchors })
    const second = verifyAgain(
      file,
      trusted.map(({ vkey }) => vkey),
      [...anchors],
    )
    const [fresh, wrong] = [first.freshness === 'anchored', first.problem_count > 0]
    const agree = fresh === (second.freshness === 'proven') && wrong === second.problems.length > 0
    if (!agree) throw new Error(`the verifiers do not agree: ${JSON.stringify({ first, second })}`)
    return { first, second }
  }
}

/** @returns why it went unseen. */
async function missed({
  kind,
  rows,
  expected,
  needsAnchor,
}: Mutation): Promise<string | undefined> {
  let lines: string[]
  try {
    lines = await superuser.exportOf(rows)
  } catch (error) {
    // Nothing that was ever signed is left: there is no export that could deceive anybody.
    if (rows.checkpoints.length === 0) return undefined
    throw error
  }
  const verdicts = verifying(lines)
  const { first } = await verdicts(log.anchors)
  if (first.problem_count === 0) return 'no problem is named'
  if (expected) {
    const named = first.problems.some(
      ({ code, index }) => code === expected.code && (expected.index ?? index) === index,
    )
    if (!named) return `${JSON.stringify(expected)} is not named: ${JSON.stringify(first.problems)}`
  }
  const alone = await verdicts([])
  if (kind === 'restore' && exitCodeOf(alone.first) !== 5)
    return `without an anchor: ${JSON.stringify(alone.first.problems)}`
  if (!needsAnchor && alone.first.problem_count === 0) return 'seen with an anchor only'
  return undefined
}

test('a log that nobody touched verifies with both verifiers, from anywhere in it', async () => {
  const whole = await superuser.exportOf(superuser.rows)
  const verdicts = verifying(whole)
  const { first, second } = await verdicts(log.anchors, newest)
  expect(second).toEqual({ problems: [], freshness: 'proven' })
  expect(first.warnings).toEqual([])
  expect(first.leaves).toBe(superuser.rows.leaves.length)
  expect(first.sealed).toBe(superuser.rows.records.length)
  expect(first.blocks).toBe(superuser.rows.blocks.length)
  expect((await verdicts([])).second).toEqual({ problems: [], freshness: 'unproven' })
  const sizes = superuser.rows.checkpoints.map(({ size }) => size)
  for (const { at_ms: since_ms } of await log.store.log.checkpoints.between(0, 1e9, 100)) {
    const part = await superuser.exportOf(superuser.rows, { since_ms, anchors: sizes })
    for (const anchors of [log.anchors, log.anchors.slice(0, 1), []]) {
      const verdict = await verifying(part)(anchors)
      expect(verdict.second.problems).toEqual([])
      expect(verdict.second.freshness).toBe(anchors.length > 0 ? 'proven' : 'unproven')
    }
  }
})

test(
  `of ${MUTATIONS} tamperings with the tables, each is named by both verifiers with an anchor`,
  async () => {
    const counts = new Map<string, number>()
    for (let seed = SEED; seed < SEED + MUTATIONS; seed += 1) {
      const made = mutation(seed, superuser.rows, log.keys[0])
      const name = `${made.kind} (${made.effort})`
      const again = `COUNTERSIGN_SEED=${seed} COUNTERSIGN_MUTATIONS=1 npm run test:evidence`
      try {
        expect(await missed(made)).toBe(undefined)
      } catch (error) {
        throw new Error(`${name} was missed; to make it again: ${again}`, { cause: error })
      }
      counts.set(made.kind, (counts.get(made.kind) ?? 0) + 1)
    }
    const figures = KINDS.map((kind) => `${String(counts.get(kind) ?? 0).padStart(6)}  ${kind}`)
    process.stdout.write(`${figures.join('\n')}\n     0  missed\n`)
  },
  Math.max(60_000, MUTATIONS * 200),
)
