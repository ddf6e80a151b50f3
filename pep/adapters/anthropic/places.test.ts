import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Verdict } from '../../../pdp/contract/decision.ts'
import type { MaskObligation } from '../../../pdp/contract/obligation.ts'
import { createMasks, Findings } from '../../core/masks.ts'
import { examples } from '../../mask/testing.ts'
import { builtinNames } from '../../mask/types.ts'
import { inspectJson } from './reply-json.ts'
import { maskRequest } from './request-mask.ts'
import { everything, play, read, start, text, toolUse } from './testing.ts'
import {
  jsonPlaces,
  leakOf,
  type Place,
  releasing,
  seenIn,
  seenInStream,
  signedPlaces,
  streamPlaces,
  tail,
} from './testing-places.ts'
import { type Gateway, KEY, startGateway } from './testing-server.ts'

/** Each example of each detector, in each place, at each split: none of it may come out. */

const sentence = ({ before, value, after }: (typeof examples)[number]): string =>
  `Say${before}${value}${after}now.`

/** Splits in two, and a character an event. */
function* splitsOf(written: string, { splits }: Place): Generator<string[]> {
  const step = splits === 'every' ? 1 : Math.max(1, Math.floor(written.length / 4))
  for (let at = 1; at < written.length; at += step) yield [written.slice(0, at), written.slice(at)]
  yield written.split('')
  yield [written]
}

const altering = releasing()
const observing = releasing([{ detectors: [...builtinNames], style: 'redact', observe: true }])

describe('of every example, at every split, nothing is left in', () => {
  test.each(streamPlaces.map((place) => [place.name, place] as const))(
    '%s, and what stands around it is as it was',
    async (_name, place) => {
      const last = tail(1)
      for (const example of examples) {
        const said = sentence(example)
        let whole: unknown
        for (const pieces of splitsOf(place.written?.(said) ?? said, place)) {
          const { out } = await play(altering, [place.reply(pieces)])
          expect(leakOf(example.value, seenInStream(out))).toBeUndefined()
          const { content } = read(out)
          // The same for the client, however it was split.
          expect(content).toEqual((whole ??= content))
          expect(out.indexOf('"id":"msg_014p7gG3wDgGV9EUtLvnow3U"')).toBeGreaterThan(0)
          if (!place.name.includes('error')) expect(out.subarray(-last.length)).toEqual(last)
        }
        for (const untouched of ['toolu_01T1x1fJ34qAmk2tNTrN7Up6', 'Eo8BCioIAhgB', 'Ev0DCioIAxgC'])
          expect(JSON.stringify(whole).includes(untouched)).toBe(
            place.reply([place.written?.(said) ?? said]).includes(untouched),
          )
      }
    },
  )

  test.each(signedPlaces.map((place) => [place.name, place] as const))(
    '%s, for the reply is cut when policy alters, and on record when it observes',
    async (_name, place) => {
      for (const example of examples) {
        for (const pieces of splitsOf(sentence(example), place)) {
          const reply = place.reply(pieces)
          const { out, outcomes, ended } = await play(altering, [reply])
          expect(outcomes).toMatchObject([{ result: 'cut' }])
          expect(ended).toBe(true)
          expect(leakOf(example.value, seenInStream(out))).toBeUndefined()
        }
        const pieces = [sentence(example)]
        const before = observing.findings.observed[example.detector.name] ?? 0
        const { out, outcomes } = await play(observing, [place.reply(pieces)])
        expect(outcomes).toEqual([{ result: 'completed' }])
        expect(read(out)).toEqual(read(place.reply(pieces)))
        expect(observing.findings.observed[example.detector.name] ?? 0).toBeGreaterThan(before)
      }
    },
  )

  test.each(jsonPlaces)('%s of a reply that is not streamed', async (_name, place) => {
    for (const example of examples) {
      const body = Buffer.from(JSON.stringify(place(sentence(example))))
      const inspected = await inspectJson(altering, body)
      expect(inspected.ok).toBe(true)
      const out = inspected.ok ? inspected.value : Buffer.alloc(0)
      const value: unknown = JSON.parse(out.toString())
      expect(leakOf(example.value, seenIn(out, [value]))).toBeUndefined()
      expect(value).toMatchObject(body.includes('msg_014p') ? { role: 'assistant' } : {})
      for (const untouched of ['msg_014p7gG3wDgGV9EUtLvnow3U', 'toolu_01T1x1', 'Eo8BCioIAhgB'])
        expect(out.includes(untouched)).toBe(body.includes(untouched))
    }
  })
})

test('a reply with secrets in many places is the same wherever its bytes are split', async () => {
  const [card = '', email = ''] = ['credit_card', 'email'].map(
    (name) => examples.find(({ detector }) => detector.name === name)?.value,
  )
  const reply = Buffer.concat([
    start({ note: `by ${email}` }),
    text(0, ['pay – ', card.slice(0, 9), card.slice(9), ' \u{1F600} now']),
    Buffer.from(`: ${email}\r\n\r\n`),
    toolUse(1, 'Bash', ['{"command": "mail ', email.slice(0, 5), email.slice(5), '"}']),
    tail(2),
  ])
  const whole = read((await play(altering, [reply])).out)
  expect(whole.content[1]?.['input']).toEqual({ command: 'mail [REDACTED:email]' })
  for (let at = 0; at <= reply.length; at++) {
    const { out } = await play(altering, [reply.subarray(0, at), reply.subarray(at)])
    expect(read(out)).toEqual(whole)
    for (const value of [card, email]) expect(leakOf(value, seenInStream(out))).toBeUndefined()
  }
})

const tokenRule: MaskObligation = {
  kind: 'mask',
  where: 'request',
  detectors: [...builtinNames],
  style: 'token',
  restore: true,
}
const masks = createMasks(new Uint8Array(32).fill(7))
const material = { customs: [], literals: [], session: 's' }

describe('tokens that the session restores', () => {
  const restorer = masks.restoring([tokenRule], 's')
  const restoring = { ...releasing([]), restorer }
  const masking = masks.of([tokenRule], material)
  const masked = (said: string): string => masking.whole(said).out ?? said

  test.each(
    streamPlaces.filter(({ name }) => /^text|^cited/.test(name)).map((one) => [one.name, one]),
  )('come back as the values, split anywhere, in %s', async (_name, place) => {
    for (const example of examples) {
      const said = sentence(example)
      // Above a length a value is redacted for good; where values overlap each token has the whole of its own.
      if (!/^[^[]*\[\w+:t:\w+\][^[]*$/.test(masked(said))) continue
      const expected = read((await play(releasing([]), [place.reply([said])])).out).content
      for (const pieces of splitsOf(masked(said), place)) {
        const { out } = await play(restoring, [place.reply(pieces)])
        expect(read(out).content).toEqual(expected)
      }
    }
  })

  test('stay tokens in what a tool gets, in thinking and in an error', async () => {
    const token = masked(' ada@example.com ')
    for (const place of [...streamPlaces, ...signedPlaces]) {
      if (/^text|^cited|an MCP tool$/.test(place.name)) continue
      const { out } = await play(restoring, [place.reply([place.written?.(token) ?? token])])
      expect(seenInStream(out)).not.toContain('ada@')
    }
  })
})

type Request = (said: string) => Record<string, unknown>
const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })
const requestPlaces: readonly (readonly [string, Request])[] = [
  ['the system prompt', (said) => ({ system: said, messages: [] })],
  [
    'a block of the system prompt',
    (said) => ({ system: [{ type: 'text', text: said, cache_control: { type: 'ephemeral' } }] }),
  ],
  ['a message', user],
  ['a text block', (said) => user([{ type: 'text', text: said }])],
  [
    'a tool result',
    (said) => user([{ type: 'tool_result', tool_use_id: 'toolu_1', content: said }]),
  ],
  [
    'a block of a tool result',
    (said) =>
      user([
        { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: said }] },
      ]),
  ],
  [
    'a document',
    (said) =>
      user([{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: said } }]),
  ],
  [
    'the input of an earlier tool call',
    (said) => user([{ type: 'tool_use', id: 'toolu_1', name: 'x', input: { [said]: [said] } }]),
  ],
  [
    'the description of a tool',
    (said) => ({ tools: [{ name: 'x', description: said, input_schema: { type: 'object' } }] }),
  ],
]

describe('of every example nothing goes to the provider in', () => {
  const run = (value: unknown, masking = masks.of([{ ...tokenRule, restore: false }], material)) =>
    maskRequest(masking, new Findings(), JSON.stringify(value), value)

  test.each(requestPlaces)('%s, and everything else is as it was', (_name, place) => {
    const around = { model: 'ada@example.com', metadata: { user_id: 'ada@example.com' } }
    for (const example of examples) {
      const request = { ...around, ...place(sentence(example)), last: ' 4111111111111111 ' }
      const out = run(request)
      expect(out.ok).toBe(true)
      const value = out.ok ? out.value : ''
      const changed = value.slice(JSON.stringify(around).length - 1, value.lastIndexOf(',"last"'))
      expect(leakOf(example.value, seenIn(Buffer.from(changed)))).toBeUndefined()
      const holes = JSON.stringify(place('\0')).split(JSON.stringify('\0'))
      expect(value.startsWith(JSON.stringify(around).slice(0, -1) + ',')).toBe(true)
      expect(value).toContain(holes[0]?.slice(1))
      expect(value.endsWith(`${holes.at(-1)?.slice(0, -1)},"last":" 4111111111111111 "}`)).toBe(
        true,
      )
    }
  })

  test('earlier thinking, for the request is refused, and on record when policy observes', () => {
    const observing = masks.of([{ ...tokenRule, restore: false, observe: true }], material)
    for (const example of examples) {
      const request = user([{ type: 'thinking', thinking: sentence(example), signature: 'EqQB' }])
      expect(run(request)).toMatchObject({ ok: false, error: { code: 'denied' } })
      expect(run(request, observing)).toEqual({ ok: true, value: JSON.stringify(request) })
    }
  })
})

describe('through a gateway', () => {
  let gateway: Gateway
  beforeAll(async () => {
    const allowed = (): Verdict => ({
      effect: 'allow',
      reasons: [],
      obligations: [{ kind: 'mask', where: 'response', ...everything[0]! } as MaskObligation],
    })
    gateway = await startGateway((_request, _body, response) => {
      const value = examples[0]?.value ?? ''
      response.writeHead(400, { 'content-type': 'application/json', 'x-echo': `key ${KEY}` })
      response.end(JSON.stringify({ type: 'error', error: { type: 'x', message: `at ${value}` } }))
    }, allowed)
  })
  afterAll(() => gateway.close())

  test('an error of the API has no secret in its text, nor the credential in its headers', async () => {
    const answer = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'm',
        max_tokens: 1,
        messages: [{ role: 'user', content: 'x' }],
      }),
    })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('x-echo')).toBe('key [REDACTED:credential]')
    expect(await answer.json()).toMatchObject({ error: { message: /^at \[REDACTED:/ } })
  })
})
