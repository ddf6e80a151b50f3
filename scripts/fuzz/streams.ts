import { isUtf8 } from 'node:buffer'
import Anthropic from '@anthropic-ai/sdk'
import * as fc from 'fast-check'
import { ReplyCut } from '../../pep/adapters/anthropic/reply.ts'
import { type Played, play, read, replyParts } from '../../pep/adapters/anthropic/testing.ts'
import { releasing, seenIn, stringsOf } from '../../pep/adapters/anthropic/testing-places.ts'
import { edited, type Edit, edits } from './docs.ts'
import { badReply, type Reply, reply, send } from './reply.ts'
import { isOrderly, readLoose } from './read-loose.ts'
import { expectNone, places } from './secrets.ts'
import { Broken, cutAt, same, target } from './target.ts'

/** The reply stream: whatever comes from the upstream. */

const parts = releasing()

/** @returns `undefined`: refused before anything was sent. @throws what is neither. */
async function run(pieces: readonly Uint8Array[]): Promise<Played | undefined> {
  try {
    return await play(parts, pieces)
  } catch (error) {
    if (error instanceof ReplyCut) return undefined
    throw error
  }
}

const isCut = (played: Played): boolean => played.outcomes[0]?.result === 'cut'

/** What a client sees, for comparison of two splits: its texts, and how it ended. */
const view = (played: Played | undefined): unknown =>
  played && {
    message: readLoose(played.out).view,
    outcomes: played.outcomes,
    ended: played.ended,
  }

/** @param ordered whether the blocks of the reply begin and end one after the other. */
async function expectReadable(sent: Buffer, played: Played, ordered: boolean): Promise<void> {
  const { out, ended, outcomes } = played
  if (outcomes.length !== 1) throw new Broken('there is not one outcome', JSON.stringify(outcomes))
  const completed = ended && outcomes[0]?.result !== 'failed'
  if (!completed || !isOrderly(out)) return
  if (ordered) {
    try {
      read(out)
    } catch (error) {
      throw new Broken('the output cannot be read', String(error))
    }
  }
  const why = await unreadableBySdk(out)
  // What is wrong with an event stays wrong.
  if (why !== undefined && (ordered || (await unreadableBySdk(sent)) === undefined))
    throw new Broken('the SDK cannot read the output', why)
}

/** @returns why the official SDK cannot put a message together; `undefined`: it can. */
async function unreadableBySdk(out: Buffer): Promise<string | undefined> {
  const client = new Anthropic({
    apiKey: 'none',
    baseURL: 'http://127.0.0.1:9',
    maxRetries: 0,
    logLevel: 'off',
    fetch: () =>
      Promise.resolve(
        new Response(new Uint8Array(out), { headers: { 'content-type': 'text/event-stream' } }),
      ),
  })
  const stream = client.messages.stream({
    model: 'm',
    max_tokens: 1,
    messages: [{ role: 'user', content: 'x' }],
  })
  try {
    await stream.finalMessage()
    return undefined
  } catch (error) {
    return String(error)
  }
}

const seen = (played: Played): string => seenIn(played.out, [readLoose(played.out).strings])

const uncut = (blocks: Reply['parts']): Reply['parts'] =>
  blocks.map((block) => ({ ...block, cuts: [] }))

const streamed = target({
  name: 'stream',
  runs: 40,
  input: fc.record({ reply, cuts: places }),
  async check({ reply, cuts }) {
    const { bytes, values } = send(reply)
    const whole = await run([bytes])
    if (whole === undefined) throw new Broken('a reply as the API sends it is refused')
    expectNone(values, seen(whole))
    await expectReadable(bytes, whole, true)
    const { ending } = reply
    const thinks = reply.parts.some(({ kind }) => kind === 'thinking' || kind === 'compaction')
    if (isCut(whole) && !thinks && ending === 'message_stop')
      throw new Broken('a reply as the API sends it is cut', whole.outcomes[0]?.reason)
    same('a split changes what the client sees', view(await run(cutAt(bytes, cuts))), view(whole))
    if (!isCut(whole) && reply.between.length === 0) {
      // A reply that is cut is cut at an event, and other events stand at places among the deltas.
      const { bytes: otherwise } = send({ ...reply, parts: uncut(reply.parts) })
      const undivided = await run([otherwise])
      same('other deltas change what the client sees', view(undivided), view(whole))
    }
    if (bytes.length < 4000) {
      const single = await run(cutAt(bytes, [...bytes.keys()]))
      same('a split into bytes changes what the client sees', view(single), view(whole))
    }
  },
})

/** A value is seen where the mask, shown the same text, would not let it be seen. */
function expectNoneFound(values: readonly string[], played: Played): void {
  for (const text of readLoose(played.out).strings) {
    const there = values.filter((value) => text.includes(value))
    if (there.length === 0) continue
    const masker = parts.mask.text()
    const masked = masker.push(text) + masker.end()
    for (const value of there)
      if (!masked.includes(value)) throw new Broken('a secret is in the output', value)
  }
}

/** @param read whether the SDK must be able to read what it could read without a gateway. */
async function checkBad(
  bytes: Buffer,
  values: readonly string[],
  cuts: readonly number[],
  read: boolean,
): Promise<void> {
  const whole = await run([bytes])
  const split = await run(cutAt(bytes, cuts))
  for (const played of [whole, split]) {
    if (played === undefined) continue
    expectNoneFound(values, played)
    if (read) await expectReadable(bytes, played, false)
  }
  // Of a chunk that is not UTF-8 nothing is read, so where it is cut says how much comes out.
  if (isUtf8(bytes)) same('a split changes what the client sees', view(split), view(whole))
}

const disordered = target({
  name: 'stream-disordered',
  runs: 60,
  input: fc.record({ reply: badReply, cuts: places }),
  async check({ reply, cuts }) {
    const { bytes, values } = send(reply)
    await checkBad(bytes, values, cuts, true)
  },
})

const broken = target<{ reply: Reply; edits: Edit[]; cuts: number[] }>({
  name: 'stream-bytes',
  runs: 60,
  input: fc.record({ reply, edits, cuts: places }),
  async check({ reply, edits, cuts }) {
    const { bytes, values } = send(reply)
    // A name of a field that is another now is read otherwise by each reader.
    await checkBad(edited(bytes, edits), values, cuts, false)
  },
})

/** Observing changes nothing at all, so that a stream is the bytes that came or is cut. */
const observed = target({
  name: 'stream-observed',
  runs: 60,
  input: fc.record({ reply, cuts: places }),
  async check({ reply, cuts }) {
    const { bytes } = send({ ...reply, spread: false, between: [] })
    const observing = replyParts([{ detectors: ['email', 'jwt'], style: 'redact', observe: true }])
    const { out, ended } = await play(observing, cutAt(bytes, cuts))
    if (!ended) return
    const strings = (of: Buffer): string[] => stringsOf(readLoose(of).view)
    same('what is only observed was altered', strings(out), strings(bytes))
  },
})

export const streams = [streamed, disordered, broken, observed]
