import { describe, expect, test } from 'vitest'
import { readSse } from './sse.ts'

const read = (text: string | Buffer) => readSse(Buffer.from(text))
const TWO = 'event: a\ndata: {"type":"a"}\n\nevent: b\ndata: 1\ndata: 2\n\n'

describe('the reader of event streams', () => {
  test.each([
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])('reads events whose lines end in %s', (_, newline) => {
    const { events, problems } = read(TWO.replaceAll('\n', newline))
    expect(problems).toEqual([])
    expect(events.map(({ name, data }) => [name, data])).toEqual([
      ['a', '{"type":"a"}'],
      ['b', '1\n2'],
    ])
  })

  test('skips comments, a byte-order mark, ids and one space behind the colon', () => {
    const { events, problems } = read('\uFEFF: hello\n\nid: 7\nretry: 5\ndata:  x\n\n:\n\n')
    expect(problems).toEqual([])
    expect(events.map(({ data }) => data)).toEqual([' x'])
  })

  test('knows where each event was complete', () => {
    const { events } = read(TWO)
    expect(events.map(({ end }) => TWO.slice(0, end).endsWith('\n\n'))).toEqual([true, true])
    expect(events.map(({ end }) => end)).toEqual([TWO.indexOf('event: b'), TWO.length])
  })

  test.each([
    ['half a line at the end', 'data: 1\n\nda', 'the stream ends inside an event'],
    ['an event without its blank line', 'data: 1\n', 'the stream ends inside an event'],
    ['a line that is no field', '{"type":"a"}\n\n', 'a line that is no field: "{\\"ty"'],
    ['a name without data', 'event: ping\n\n', 'an event without data'],
    [
      'half a character',
      Buffer.concat([Buffer.from('data: '), Buffer.from([0xf0, 0x9f]), Buffer.from('\n\n')]),
      'bytes that are not UTF-8',
    ],
  ])('says what is wrong with %s', (_, text, problem) => {
    expect(read(text).problems).toEqual([problem])
  })
})
