import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseVerifierKey, splitNotes } from '../../pdp/evidence/note.ts'
import { verifyExport } from '../../scripts/evidence/verify.ts'
import { verifyAgain } from '../evidence/second-verifier.ts'
import { type Cluster, type Part, PARTS, startCluster } from './cluster.ts'

/** How often one of the three is killed; `npm run test:crash` does it more often. */
const KILLS = Number(process.env['COUNTERSIGN_KILLS'] ?? 3)
const CLIENTS = 12
/** Between two requests of a client, milliseconds: in the end all of the log is exported and read as one text. */
const PAUSE_MS = KILLS > 10 ? 100 : 5

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
}, 120_000)
afterAll(() => cluster.close(), 60_000)

/** Sends requests, each with a path of its own, while parts are killed one after the other. */
async function killUnderLoad(): Promise<Map<Part, number>> {
  const kills = new Map<Part, number>()
  const state = { over: false }
  const client = async (number: number): Promise<void> => {
    for (let n = 0; !state.over; n += 1) {
      await cluster.send(`client${number}x${n}`)
      await sleep(PAUSE_MS)
    }
  }
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number))
  for (let n = 0; n < KILLS; n += 1) {
    await sleep(300 + randomInt(1200))
    // Each of them, and then at random.
    const part = PARTS[n] ?? PARTS[randomInt(PARTS.length)] ?? 'pep'
    await cluster.kill(part)
    kills.set(part, (kills.get(part) ?? 0) + 1)
  }
  await sleep(500)
  state.over = true
  await Promise.all(clients)
  return kills
}

/** Every checkpoint that the service said was the newest, asked for again and again. */
function watchCheckpoints() {
  const seen = new Set<string>()
  const state = { over: false }
  const watching = (async () => {
    while (!state.over) {
      const answer = await cluster.ask('/v1/evidence/checkpoint').catch(() => undefined)
      if (answer?.status === 200) seen.add(await answer.text())
      await sleep(150)
    }
  })()
  return async (): Promise<readonly string[]> => {
    state.over = true
    await watching
    return [...seen]
  }
}

type Step = {
  readonly index: number
  readonly leaf: { readonly kind: string; readonly operation_id: string; readonly result?: string }
  readonly record?: { readonly exchange?: { readonly target?: string } }
  readonly unreadable?: { readonly code: string }
}

/** Every step of every session. */
async function stepsOf(): Promise<Step[]> {
  const answer = await cluster.ask('/v1/sessions?limit=200')
  expect(answer.status, await answer.clone().text()).toBe(200)
  const { sessions } = (await answer.json()) as { sessions: { id: string }[] }
  const all: Step[] = []
  for (const { id } of sessions)
    for (let after: number | undefined = -1; after !== undefined;) {
      const query: string = after < 0 ? '' : `&after=${after}`
      const page = await cluster.ask(`/v1/sessions/${id}/steps?limit=200${query}`)
      const { steps, next } = (await page.json()) as { steps: Step[]; next?: number }
      all.push(...steps)
      after = next
    }
  return all
}

test(
  `after ${KILLS} times kill -9 of gateway, service and database under load the log has everything once, and extends all it ever signed`,
  async () => {
    const stop = watchCheckpoints()
    const kills = await killUnderLoad()
    for (let tries = 0; !(await cluster.drained().catch(() => false)); tries += 1) {
      if (tries > 200) expect.fail(`the journal is not shipped: ${cluster.said()}`)
      await sleep(300)
    }
    const polled = await stop()

    const steps = await stepsOf()
    const intents = new Map<string, Step[]>()
    const outcomes = new Map<string, string[]>()
    const unreadable: string[] = []
    for (const step of steps) {
      const { kind, operation_id, result = '' } = step.leaf
      if (kind === 'intent') {
        const target = step.record?.exchange?.target ?? ''
        intents.set(target, [...(intents.get(target) ?? []), step])
      }
      if (kind === 'outcome')
        outcomes.set(operation_id, [...(outcomes.get(operation_id) ?? []), result])
      if (step.unreadable) unreadable.push(`${step.index}: ${step.unreadable.code}`)
    }
    // What is recorded opens.
    expect(unreadable.slice(0, 10)).toEqual([])
    expect(cluster.forwarded.length).toBeGreaterThan(KILLS * CLIENTS)
    expect(new Set(cluster.forwarded).size).toBe(cluster.forwarded.length)
    expect(cluster.forwarded.filter((path) => intents.get(path)?.length !== 1)).toEqual([])
    // Every operation has exactly one end: its own, or `unknown`.
    const ends = [...intents.values()]
      .flat()
      .map(({ leaf }) => outcomes.get(leaf.operation_id)?.length)
    expect(new Set(ends)).toEqual(new Set([1]))

    const anchors = [...polled, ...splitNotes(await cluster.anchored())]
    const exported = await cluster.ask('/v1/evidence/export', { sealed: true, reason: 'A test.' })
    expect(exported.status).toBe(200)
    const text = await exported.text()
    const { keys } = (await (await cluster.ask('/v1/evidence')).json()) as { keys: string[] }
    async function* lines() {
      yield* text.trimEnd().split('\n')
    }
    const trusted = keys.map((key) => {
      const parsed = parseVerifierKey(key)
      if (!parsed.ok) throw new Error(parsed.error)
      return parsed.value
    })
    const report = await verifyExport(lines(), { keys: trusted, anchors })
    expect(report.problems).toEqual([])
    expect(report.freshness).toBe('anchored')
    expect(report.sealed).toBeGreaterThan(cluster.forwarded.length)
    const second = verifyAgain(gzipSync(text), keys, anchors)
    expect(second).toEqual({ problems: [], freshness: 'proven' })
    const told = [...kills].map(([part, count]) => `${part} ${count}`).join(', ')
    process.stdout.write(
      `killed: ${told}; forwarded ${cluster.forwarded.length}, leaves ${report.leaves}, checkpoints ${new Set(anchors).size}\n`,
    )
  },
  120_000 + KILLS * 20_000,
)
