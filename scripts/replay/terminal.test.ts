import { expect, test } from 'vitest'
import { jsonLine } from '../commands/output.ts'
import { momentsOf } from './model.ts'
import { readStep } from './step.ts'
import { playOn } from './terminal.ts'
import { type AnsweredStep, each, exampleSession, type Fill } from './testing.ts'

type Played = { readonly text: string; readonly slept: readonly number[]; readonly pauses: number }

async function play(
  steps: readonly AnsweredStep[],
  { speed = 0, masked = false, step = false } = {},
): Promise<Played> {
  let text = ''
  let pauses = 0
  const slept: number[] = []
  await playOn(
    {
      write: (part) => (text += part),
      sleep: (ms) => {
        slept.push(ms)
        return Promise.resolve()
      },
      speed,
      masked,
      ...(step && { pause: () => Promise.resolve(void pauses++) }),
    },
    momentsOf(each(steps.map(readStep))),
  )
  return { text, slept, pauses }
}

test('it tells what was sent, what went upstream, what came back and what the agent got', async () => {
  const { text } = await play(exampleSession())
  expect(text).toContain('−  whom to ask about invoices. My card is 4242 4242 4242 4242.')
  expect(text).toContain('+  whom to ask about invoices. My card is [REDACTED:credit_card].')
  expect(text).toContain('reachable at ada.lovelace@example.com')
  expect(text).toContain('reachable at [REDACTED:email]')
  expect(text).toContain(
    '✗ deny, refused: denied  Deleting folders is for people. (no_recursive_delete)',
  )
  expect(text).toContain('− {"command":"rm -fr billing/old"')
  expect(text).toContain('⏸ waits for 2 of finance')
  expect(text).toContain('▶ approved after 1 min 4 s')
  expect(text).toContain('the agent got: exactly what came back')
  expect(text).toContain('cut  200')
})

test('it says no more than the record shows: parts that are missing or masked are no proof of sameness', async () => {
  const { text } = await play(exampleSession())
  expect(text).toContain('the agent got: the same as what came back, as far as both are on record')
  const masked = (await play(exampleSession(), { masked: true })).text
  expect(masked).not.toContain('exactly')
  expect(masked).toContain('as far as this masked view shows')
})

test('of more operations at a time than are held nothing is claimed that is not known', async () => {
  const of = (n: number): Record<string, unknown> => ({
    operation_id: `op-${n}`,
    time_ms: n,
    action: 'a',
  })
  const ids = Array.from({ length: 40 }, (_, n) => n)
  const chunk = (n: number, direction: string): AnsweredStep => ({
    index: 100 + n,
    leaf: { ...of(n), kind: 'chunk', time_ms: 50, direction, offset: 0, bytes: 1 },
    record: { body: { text: direction } },
  })
  const { text } = await play([
    ...ids.map((n) => ({ index: n, leaf: { ...of(n), kind: 'intent' }, record: {} })),
    ...ids.flatMap((n) => [chunk(n, 'received'), chunk(n, 'delivered')]),
    ...ids.map((n) => ({
      index: 200 + n,
      leaf: { ...of(n), kind: 'outcome', time_ms: 60, result: 'completed' },
      record: {},
    })),
  ])
  expect(text).toContain('its bodies are not compared here')
  expect(text).not.toContain('came back: not recorded')
  expect(text).not.toContain('exactly')
})

test('streams come as they streamed, long pauses are cut to 10 s, and speed divides', async () => {
  const { text, slept } = await play(exampleSession(), { speed: 1 })
  expect(text).toContain('… 41 s pass, cut to 10 s')
  expect(text).toContain('… 23 s pass, cut to 10 s')
  expect(Math.max(...slept)).toBe(10_000)
  expect(slept.filter((ms) => ms === 15 || ms === 30).length).toBeGreaterThan(20)
  const faster = await play(exampleSession(), { speed: 4 })
  expect(faster.slept).toEqual(slept.map((ms) => ms / 4))
})

test('step by step it stops before each step, and never within one part of a body', async () => {
  const { pauses, slept } = await play(exampleSession(), { step: true })
  expect(slept).toEqual([])
  const moments = await Array.fromAsync(momentsOf(each(exampleSession().map(readStep))))
  const others = moments.filter(({ kind }) => kind !== 'piece').length
  expect(pauses).toBeGreaterThan(others)
  expect(pauses).toBeLessThan(moments.length)
})

test('no control character of an agent reaches the terminal, wherever it stands', async () => {
  const evil = '\u001b]0;owned\u0007\u001b[2J\u009b31m\u202etxt\u2066\r\b\u{e0041}'
  const fill: Fill = (_place, usual) => `${usual}${evil}`
  const { text } = await play(exampleSession(fill))
  // oxlint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
  expect(text).not.toMatch(/[\u{e0000}-\u{e007f}]/u)
  expect(text).toContain(String.raw`\u{1b}]0;owned`)
  for (const step of exampleSession(fill)) {
    const line = jsonLine(step)
    expect(line.trimEnd()).not.toMatch(
      // oxlint-disable-next-line no-control-regex
      /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|[\u{e0000}-\u{e007f}]/u,
    )
    expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify(step)))
  }
})
