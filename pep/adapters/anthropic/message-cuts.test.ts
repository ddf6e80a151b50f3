import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { testIntent, testSealer } from '../../../sealing/testing.ts'
import { messageCuts } from './message-cuts.ts'

const text = fc.oneof(fc.string(), fc.constantFrom('"', '\\', '\\"', '{"messages":[', ']}', 'é😀'))
const long = text.chain((one) => fc.nat(9000).map((more) => one + 'x'.repeat(more)))
const messages = fc.array(
  fc.record({ role: fc.constantFrom('user', 'assistant'), content: fc.array(long) }),
)

test('cuts stand at the ends of messages and of their list, whatever texts hold, and are in order', () => {
  fc.assert(
    fc.property(messages, text, fc.nat(3), (list, system, spaces) => {
      const whole = {
        system,
        tools: [{ messages: ['no'] }],
        messages: list,
        metadata: { a: system },
      }
      const body = Buffer.from(JSON.stringify(whole, undefined, spaces))
      const cuts = messageCuts(body)
      expect(cuts).toEqual(cuts.toSorted((a, b) => a - b))
      const [first = 0, last = 0] = [cuts[0], cuts.at(-1)]
      const within = body.subarray(first, last).toString()
      expect(JSON.parse(`[${within}]`)).toEqual(list)
      for (const [n, cut] of cuts.slice(1, -1).entries()) {
        expect(cut - (cuts[n] ?? 0)).toBeGreaterThanOrEqual(4096)
        expect(() => JSON.parse(`[${body.subarray(first, cut).toString()}]`)).not.toThrow()
      }
    }),
  )
})

test('of anything else there are cuts or none, and no error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.constantFrom('{"messages', '{"messages":["')), (any) => {
      expect(Array.isArray(messageCuts(Buffer.from(any)))).toBe(true)
    }),
  )
})

test('a conversation that is sent again with one turn more brings only what is new', async () => {
  const sealer = await testSealer()
  const tools = Array.from({ length: 60 }, (_, n) => ({ name: `tool-${n}`, text: 't'.repeat(700) }))
  const sent = (turns: number) => {
    const list = Array.from({ length: turns }, (_, n) => ({
      role: n % 2 === 0 ? 'user' : 'assistant',
      content: `turn ${n} ${String(n).repeat(1500)}`,
    }))
    const body = Buffer.from(JSON.stringify({ model: 'm', messages: list, tools, stream: true }))
    const exchange = { body_bytes: body.length, body, cuts: messageCuts(body) }
    const { content } = sealer.seal(testIntent({ exchange })).record
    const blocks = content?.blocks.reduce((sum, block) => sum + block.sealed.length, 0) ?? 0
    return { body: body.length, blocks: content?.blocks.length ?? 0, sealed: blocks }
  }
  const first = sent(99)
  expect(first.blocks).toBeGreaterThan(30)
  for (const turns of [100, 101, 102]) expect(sent(turns).blocks).toBeLessThanOrEqual(1)
})
