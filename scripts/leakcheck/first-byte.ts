import type { Case } from './case.ts'
import type { Client } from './client.ts'
import { block, type Frame, inputDeltas, messageEnd, messageStart, textDeltas } from './frames.ts'
import { runCase } from './run.ts'
import { type Script, scriptOf } from './script.ts'
import type { StandIn } from './upstream.ts'

/** How much later a client sees the first of a reply, one stream at a time. */
export type FirstByte = {
  readonly place: string
  readonly direct_ms: number
  readonly through_ms: number
  readonly added_ms: number
}

const ROUNDS = 20
const WARM_UP = 3
/** Between events: a gateway that waits for the whole reply adds this for each. */
const PAUSE_MS = 5

const words = ['Here is ', 'what I found ', 'in the files: ', 'nothing ', 'of note. ']

const places: Readonly<Record<string, readonly Frame[]>> = {
  text: block(0, { type: 'text', text: '' }, textDeltas(words)),
  thinking: block(0, { type: 'thinking', thinking: '', signature: '' }, [
    ...words.map((thinking) => ({ type: 'thinking_delta', thinking })),
    { type: 'signature_delta', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3h' },
  ]),
  tool_input: block(
    0,
    { type: 'tool_use', id: 'toolu_leakcheck', name: 'lookup', input: {} },
    inputDeltas(['{"query": "', ...words, '"}']),
  ),
}

/** Cases of this measurement; none of them holds a secret. */
export const timingCases: readonly Case[] = Object.entries(places).map(([place, blocks]): Case => ({
  id: `timing.${place}`,
  kind: 'timing',
  place,
  says: 'events with pauses between',
  script: paced([messageStart, ...blocks, ...messageEnd('end_turn')]),
  ends: 'message_stop',
}))

/** All up to the first delta in one write, as the API sends it; then one event after the other. */
function paced(frames: readonly Frame[]): Script {
  const script = scriptOf(frames)
  const { firstDelta = 0 } = script
  const writes = script.writes.filter((end) => end >= firstDelta)
  return { ...script, writes, pause_ms: PAUSE_MS }
}

/** @returns medians, through the gateway and directly at the upstream in turns; none where no reply came. */
export async function measureFirstByte(
  through: Client,
  direct: Client,
  standIn: StandIn,
  signal: AbortSignal,
): Promise<readonly FirstByte[]> {
  const measured: FirstByte[] = []
  for (const one of timingCases) {
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      signal.throwIfAborted()
      const { first_ms: directly } = await runCase(one, direct, standIn)
      const { first_ms: there } = await runCase(one, through, standIn)
      if (round < 0 || directly === undefined || there === undefined) continue
      theirs.push(directly)
      ours.push(there)
    }
    const [direct_ms, through_ms] = [median(theirs), median(ours)]
    if (direct_ms === undefined || through_ms === undefined) continue
    const added_ms = through_ms - direct_ms
    measured.push({ place: one.place, direct_ms, through_ms, added_ms })
  }
  return measured
}

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const lower = sorted[(sorted.length - 1) >> 1]
  const upper = sorted[sorted.length >> 1]
  return lower === undefined || upper === undefined ? undefined : (lower + upper) / 2
}
