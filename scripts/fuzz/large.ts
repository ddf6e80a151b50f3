import * as fc from 'fast-check'
import { ReplyCut } from '../../pep/adapters/anthropic/reply.ts'
import { createReplyStream } from '../../pep/adapters/anthropic/reply-stream.ts'
import { blockStart, blockStop, delta, end, start } from '../../pep/adapters/anthropic/testing.ts'
import { leakOf, releasing } from '../../pep/adapters/anthropic/testing-places.ts'
import { render } from './secrets.ts'
import { Broken, target } from './target.ts'

/** Much of one kind: what is held for long is held in memory. */

const MB = 1024 * 1024
const kinds = [
  'text',
  'thinking',
  'tool',
  'server-tool',
  'unknown',
  'event',
  'comment',
  'blocks',
] as const

const units = fc.constantFrom(
  'a',
  '4',
  'A1b2',
  '=',
  '*',
  '\\',
  '%25',
  '\u200b',
  '\u{e0041}',
  '\u{1F600}',
  '-----BEGIN ',
  'eyJ',
  'ann@',
  'x.',
  ' ',
  '\n',
  '"',
  '[email:t:',
  '{"a":',
  '[',
  '1,',
  'QUJD',
  'https://a:',
  '漢',
)

const large = target({
  name: 'large',
  runs: 3,
  input: fc.record({
    kind: fc.constantFrom(...kinds),
    of: units,
    /** Bytes of the text, in deltas of so many. */
    length: fc.constantFrom(MB / 4, MB, 10 * MB),
    deltas: fc.constantFrom(200, 20_000, 10 * MB),
    closed: fc.boolean(),
  }),
  async check({ kind, of, length, deltas, closed }) {
    const piece = of.repeat(Math.ceil(Math.min(deltas, length) / Buffer.byteLength(of)))
    const secret = render([{ secret: 'email.1', form: 'plain' }])
    let tail = ''
    let bytes = 0
    let most = 0
    const stream = createReplyStream({
      ...releasing(),
      decision_id: 'd',
      maxInputBytes: MB,
      write(out) {
        bytes += out.length
        most = Math.max(most, out.length)
        tail = tail.slice(-2000) + out.toString()
        for (const value of secret.values)
          if (leakOf(value, tail) !== undefined) throw new Broken('a secret is in the output')
        if (out.length < 1000) tail = tail.slice(-2000)
        return Promise.resolve()
      },
      record: () => Promise.resolve(),
    })
    let sent = 0
    const feed = async (frame: Buffer): Promise<void> => {
      sent += frame.length
      await stream.feed(frame)
    }
    try {
      await feed(start())
      for (const frame of opening(kind)) await feed(frame)
      for (let at = 0; at < length && !stream.ended; at += Buffer.byteLength(piece))
        await feed(frameOf(kind, piece, at))
      for (const frame of closed ? [frameOf(kind, secret.text, 1), ...closing(kind)] : [])
        await feed(frame)
      await stream.end()
    } catch (error) {
      if (!(error instanceof ReplyCut)) throw error
    }
    // Escapes and frames of our own may make it longer, but not without bound.
    if (bytes > 8 * sent + 10_000) throw new Broken('far more comes out than went in', kind)
  },
})

const quoted = (text: string): string => JSON.stringify(text).slice(1, -1)

function opening(kind: (typeof kinds)[number]): Buffer[] {
  switch (kind) {
    case 'text':
      return [blockStart(0, { type: 'text', text: '' })]
    case 'thinking':
      return [blockStart(0, { type: 'thinking', thinking: '', signature: '' })]
    case 'tool':
    case 'server-tool': {
      const type = kind === 'tool' ? 'tool_use' : 'server_tool_use'
      const begin = delta(0, 'input_json_delta', { partial_json: '{"command": "' })
      return [blockStart(0, { type, id: 't', name: 'Bash', input: {} }), begin]
    }
    case 'unknown':
      return [blockStart(0, { type: 'hologram' })]
    case 'event':
    case 'comment':
    case 'blocks':
      return []
    default:
      return kind satisfies never
  }
}

/** @param at how much was sent of it before. */
function frameOf(kind: (typeof kinds)[number], piece: string, at: number): Buffer {
  switch (kind) {
    case 'text':
      return delta(0, 'text_delta', { text: piece })
    case 'thinking':
      return delta(0, 'thinking_delta', { thinking: piece })
    case 'tool':
    case 'server-tool':
      return delta(0, 'input_json_delta', { partial_json: quoted(piece) })
    case 'unknown':
      return delta(0, 'hologram_delta', { shape: piece })
    case 'event':
      // One event that does not end.
      return Buffer.from(at === 0 ? `data: {"type": "ping", "n": "${quoted(piece)}` : quoted(piece))
    case 'comment':
      return Buffer.from(`: ${piece.replace(/[\r\n]/g, ' ')}\n\n`)
    case 'blocks':
      // Blocks that are never stopped.
      return blockStart(Math.floor(at / Buffer.byteLength(piece)), { type: 'text', text: piece })
    default:
      return kind satisfies never
  }
}

function closing(kind: (typeof kinds)[number]): Buffer[] {
  const finish = [blockStop(0), end('end_turn')]
  if (kind === 'tool' || kind === 'server-tool')
    return [delta(0, 'input_json_delta', { partial_json: '"}' }), ...finish]
  return finish
}

export const larges = [large]
