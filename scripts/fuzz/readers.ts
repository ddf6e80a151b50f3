import * as fc from 'fast-check'
import { isUtf8 } from 'node:buffer'
import { PepMaskError } from '../../pep/mask/errors.ts'
import { encodeSse, SseDecoder, type SseFrame } from '../../pep/mask/sse.ts'
import { argvFacts, shellFacts } from '../../pep/facts/shell.ts'
import { estimateTokens } from '../../pep/facts/tokens.ts'
import { toolFacts } from '../../pep/facts/tool.ts'
import { readSse } from '../leakcheck/sse.ts'
import { noise, places } from './secrets.ts'
import { Broken, cutAt, same, target } from './target.ts'

/** What only reads: the decoder of event streams, and facts of tool calls. */

const line = fc.oneof(
  fc.constantFrom(
    'event: ping',
    'data: {"a":1}',
    'data:',
    'data',
    ': c',
    ':',
    'id: 7',
    'retry: 1',
    'x: y',
    'data:  b',
    'event:',
    '\ufeffdata: c',
    'data: \u2028',
  ),
  noise.map((text) => `data: ${text}`),
  noise,
)
const eol = fc.constantFrom('\n', '\n', '\r\n', '\r', '\n\n', '\r\r', '\r\n\r\n', '\n\r', '')

const events = (frames: readonly SseFrame[]) =>
  frames.flatMap(({ event, data }) => (data === undefined ? [] : [{ event, data }]))

function decode(pieces: readonly Buffer[], most: number): SseFrame[] | PepMaskError {
  const decoder = new SseDecoder(most)
  const frames: SseFrame[] = []
  try {
    for (const piece of pieces) frames.push(...decoder.feed(piece))
  } catch (error) {
    if (error instanceof PepMaskError) return error
    throw error
  }
  const all = Buffer.concat([...frames.map(({ raw }) => raw), decoder.end()])
  if (!all.equals(Buffer.concat(pieces))) throw new Broken('frames are not the bytes that came')
  return frames
}

const sse = target({
  name: 'sse',
  runs: 500,
  input: fc.record({
    lines: fc.array(fc.tuple(line, eol), { maxLength: 12 }),
    bytes: fc.option(fc.tuple(fc.nat(200), fc.integer({ min: 128, max: 255 })), {
      nil: undefined,
      freq: 8,
    }),
    cuts: places,
  }),
  check({ lines, bytes, cuts }) {
    let sent = Buffer.from(lines.map(([text, end]) => text + end).join(''))
    if (bytes !== undefined && bytes !== null)
      sent = Buffer.concat([
        sent.subarray(0, bytes[0]),
        Buffer.of(bytes[1]),
        sent.subarray(bytes[0]),
      ])
    const whole = decode([sent], 1024)
    for (const split of [cutAt(sent, cuts), cutAt(sent, [...sent.keys()])]) {
      const got = decode(split, 1024)
      if (got instanceof PepMaskError || whole instanceof PepMaskError) {
        if (!(got instanceof PepMaskError && whole instanceof PepMaskError))
          throw new Broken('bytes are refused at one split and not at another')
        same('another error at another split', got.code, whole.code)
      } else same('a split changes the events', events(got), events(whole))
    }
    if (whole instanceof PepMaskError || !isUtf8(sent)) return
    // Read by code that shares nothing with it.
    const other = readSse(sent).events.map(({ name, data }) => ({ event: name, data }))
    same(
      'another reader has other events',
      events(whole).map(({ event, data }) => ({ event: event ?? '', data })),
      other,
    )
    for (const { event, data } of events(whole))
      same(
        'an event of our own is read as another',
        events(decode([encodeSse(event, data)], 9999) as SseFrame[]),
        [{ event, data }],
      )
  },
})

const words = [
  'rm -rf / sudo env A=b bash -c eval xargs find -exec {} ; \\; | || && & > >> < <<< 2>&1 $( ) `',
  "\" ' $' ${x } ${x:- (( )) [[ ]] if then fi for in do done while case esac function { () \\ * ? ~",
  '! # nice -n <( coproc select time ${! $(( ${x[ $x é \u{1F600} \ud83d alias trap \0 \u200b',
].flatMap((row) => row.split(' '))

const word = fc.oneof(
  fc.constantFrom(...words, '<<EOF\n', 'EOF\n', '\n', '\\\n', 'timeout 5'),
  fc.string({ maxLength: 6 }),
)
const script = fc.array(
  fc.oneof({ weight: 6, arbitrary: word }, { weight: 1, arbitrary: fc.tuple(word, fc.nat(400)) }),
  {
    maxLength: 25,
  },
)

const shell = target({
  name: 'shell',
  runs: 300,
  input: fc.record({ words: script, gap: fc.constantFrom(' ', '', '\n') }),
  check({ words, gap }) {
    const text = words
      .map((one) => (typeof one === 'string' ? one : `${one[0]}${gap}`.repeat(one[1])))
      .join(gap)
    const facts = shellFacts(text)
    same('the same script has other facts', shellFacts(text), facts)
    if (JSON.stringify(facts).length > 64 * text.length + 1_000_000)
      throw new Broken('facts are far longer than the script', String(text.length))
    argvFacts(words.map((one) => (typeof one === 'string' ? one : one[0])))
    const tokens = estimateTokens(text)
    if (!(tokens >= 0 && tokens <= 4 * text.length))
      throw new Broken('an estimate is past all sense')
    for (const name of ['Bash', 'Read', 'mcp__files__read', text.slice(0, 40)])
      toolFacts(
        name,
        { command: text, file_path: text, url: text, [text]: [text, { text }] },
        text.length,
      )
  },
})

const anyTool = target({
  name: 'tool',
  runs: 500,
  input: fc.record({
    name: fc.oneof(
      noise,
      fc.constantFrom('Bash', 'Write', 'mcp__a__b', '__proto__', 'constructor'),
    ),
    input: fc.jsonValue({ maxDepth: 6 }),
  }),
  check({ name, input }) {
    const once = toolFacts(name, input, 10)
    same('the same call has other facts', toolFacts(name, input, 10), once)
  },
})

export const readers = [sse, shell, anyTool]
