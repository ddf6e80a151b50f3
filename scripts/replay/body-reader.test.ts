import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBodyReader } from './body-reader.ts'
import type { Grown } from './part.ts'
import { exampleSession } from './testing.ts'

/** Parts with their whole text, the body read in pieces of these sizes. */
function read(body: Buffer, sizes: readonly number[] = [body.length]): readonly string[] {
  const reader = createBodyReader()
  const grown: Grown[] = []
  let from = 0
  for (const size of [...sizes, body.length]) {
    grown.push(...reader.push(body.subarray(from, from + size)))
    from += size
  }
  grown.push(...reader.end())
  const parts = new Map<string, string>()
  for (const { part, text } of grown) {
    const name = `${part.kind} ${part.title}`.trim()
    parts.set(`${part.key}|${name}`, (parts.get(`${part.key}|${name}`) ?? '') + text)
  }
  return [...parts].map(([name, text]) => `${name.split('|')[1] ?? ''}: ${text}`)
}

const chunkBody = (id: string, direction: string): Buffer => {
  const step = exampleSession().find(
    ({ leaf }) => leaf['operation_id'] === id && leaf['direction'] === direction,
  )
  return Buffer.from((step!.record!['body'] as { readonly text: string }).text)
}

test('a streamed reply is read as its blocks', () => {
  expect(read(chunkBody('op-2', 'received'))).toEqual([
    'text text: There is an old folder; I remove it.',
    'tool tool_use Bash: {"command":"rm -fr billing/old","description":"Remove the old folder"}',
    'stop stop: tool_use',
  ])
  expect(read(chunkBody('op-1', 'received'))[0]).toMatch(/^thinking thinking: The person wants/)
})

test('a body reads the same at any split', () => {
  const bodies = [
    chunkBody('op-1', 'received'),
    Buffer.from('{"a":[1,{"b":"\u{1f600}"}],"c":1.50e3}'),
    Buffer.from('data: zwölf\n\ndata: {"type":"ping"}\n\n: x\n\nevent: odd\ndata: y\n\n'),
    Buffer.from(`plain text, ${'ä€\u{1f600}'.repeat(20)}`),
    Buffer.from('  '),
  ]
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 })
  fc.assert(
    fc.property(fc.constantFrom(...bodies), sizes, (body, sizes) => {
      expect(read(body, sizes)).toEqual(read(body))
    }),
  )
})

test('no bytes make it throw', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ maxLength: 100 }).map((text) => Buffer.from(`data: ${text}`)),
    fc
      .jsonValue()
      .map((value) =>
        Buffer.from(
          `data: {"type":"content_block_start","content_block":${JSON.stringify(value)}}\n\n`,
        ),
      ),
    fc
      .jsonValue()
      .map((value) =>
        Buffer.from(
          `{"model":"x","messages":[${JSON.stringify(value)}],"system":${JSON.stringify(value)}}`,
        ),
      ),
    fc
      .jsonValue()
      .map((value) => Buffer.from(`{"type":"message","content":[${JSON.stringify(value)}]}`)),
  )
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(20)), (body, sizes) => {
      read(Buffer.from(body), sizes)
    }),
  )
})

test('numbers keep their digits, and keys that are there twice are shown twice', () => {
  expect(read(Buffer.from('{"n":120000000000000000001,"n":1.50,"e":[],"s":"a:{b"}'))).toEqual([
    'data: {\n  "n": 120000000000000000001,\n  "n": 1.50,\n  "e": [],\n  "s": "a:{b"\n}',
  ])
})

test('of bytes that are no text the size and the first ones are shown', () => {
  expect(read(Buffer.from('89504e470d0a', 'hex'))).toEqual([
    'binary 6 bytes that are not text: 89 50 4e 47 0d 0a',
  ])
})

test('of a request the turns that were answered are earlier ones', () => {
  const request = {
    model: 'm',
    messages: [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: 'three' },
    ],
  }
  const reader = createBodyReader()
  const grown = [...reader.push(Buffer.from(JSON.stringify(request))), ...reader.end()]
  expect(grown.map(({ part, text }) => [text, part.earlier ?? false])).toEqual([
    ['{\n  "model": "m"\n}', true],
    ['one', true],
    ['two', true],
    ['three', false],
  ])
})
