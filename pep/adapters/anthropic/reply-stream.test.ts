import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { err } from '../../../pdp/contract/result.ts'
import { examples, places, split } from '../../mask/testing.ts'
import { ReplyCut } from './reply.ts'
import {
  type Admit,
  blockStart,
  blockStop,
  delta,
  end,
  event,
  everything,
  play,
  read,
  recorded,
  replyParts,
  start,
  text,
  toolUse,
} from './testing.ts'

const refuse: Admit = (call) =>
  Promise.resolve(
    err({ code: 'denied', message: `No ${call.name} here.`, decision_id: 'decision-7' }),
  )

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...cuts, bytes.length].map((to, k) => bytes.subarray(k === 0 ? 0 : cuts[k - 1], to))
}

const maskWhole = (value: string): string => {
  const masker = replyParts().mask.text()
  return masker.push(value) + masker.end()
}

const textOf = (out: Buffer, index = 0): unknown => read(out).content[index]?.['text']

describe('a reply in which nothing is found', () => {
  test('goes out as the bytes that came, but for text that had to wait', async () => {
    const { out, outcomes, ended } = await play(replyParts([]), [recorded])
    expect(out.equals(recorded)).toBe(true)
    expect(outcomes).toEqual([{ result: 'completed' }])
    expect(ended).toBe(true)
  })

  test('says the same with every detector on, split at every byte', async () => {
    const whole = read(recorded)
    for (let at = 0; at <= recorded.length; at += 1) {
      const { out } = await play(replyParts(), [recorded.subarray(0, at), recorded.subarray(at)])
      expect(read(out)).toEqual(whole)
    }
  })

  test('goes out as the same bytes when it comes byte by byte', async () => {
    const { out } = await play(
      replyParts([]),
      Array.from(recorded, (byte) => Uint8Array.of(byte)),
    )
    expect(out.equals(recorded)).toBe(true)
  })
})

describe('secrets in text', () => {
  test('every example of every detector, split over deltas and bytes anywhere, is masked as unsplit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...examples), { minLength: 1, maxLength: 4 }),
        places,
        places,
        async (found, deltas, bytes) => {
          const plain = found
            .map(({ before, value, after }) => `Say${before}${value}${after}now. `)
            .join('')
          const reply = Buffer.concat([start(), text(0, split(plain, deltas)), end('end_turn')])
          const { out } = await play(replyParts(), cut(reply, bytes))
          expect(textOf(out)).toBe(maskWhole(plain))
          for (const { value } of found) expect(out.includes(value)).toBe(false)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('every example, in deltas of one code unit each, is masked as unsplit', async () => {
    for (const { before, value, after } of examples) {
      const plain = `Say${before}${value}${after}now.`
      const reply = Buffer.concat([start(), text(0, plain.split('')), end('end_turn')])
      const { out } = await play(replyParts(), [reply])
      expect(textOf(out)).toBe(maskWhole(plain))
    }
  })

  test('what was held back goes out before its block ends', async () => {
    const { out } = await play(replyParts(), [
      Buffer.concat([start(), text(0, ['write to ann']), text(1, ['x']), end('end_turn')]),
    ])
    expect(textOf(out)).toBe('write to ann')
  })

  test('a value that is divided over text blocks is masked as in one, and every block ends', async () => {
    for (const { before, value, after } of examples) {
      const plain = `Say${before}${value}${after}now.`
      for (let at = 1; at < plain.length; at += 3) {
        const pieces = [plain.slice(0, at), plain.slice(at, at + 2), plain.slice(at + 2)]
        const reply = Buffer.concat([
          start(),
          ...pieces.map((piece, index) => text(index, Array.from(piece))),
          end('end_turn'),
        ])
        const { out } = await play(replyParts(), [reply])
        const { content, stopped } = read(out)
        expect(content).toHaveLength(3)
        expect(stopped).toBe(true)
        expect(content.map((block) => String(block['text'])).join('')).toBe(maskWhole(plain))
      }
    }
  })

  test('a block whose end waits is not held up by what is no text', async () => {
    const { out } = await play(replyParts(), [
      Buffer.concat([
        start(),
        text(0, ['Ask ann@exam']),
        toolUse(1, 'Bash', ['{"command": "ls"}']),
        text(2, ['ple.com']),
        end('tool_use'),
      ]),
    ])
    expect(read(out).content).toMatchObject([
      { text: 'Ask ann@exam' },
      { name: 'Bash', input: { command: 'ls' } },
      { text: 'ple.com' },
    ])
  })

  test('a reply that is cut while the end of a block waits has all its blocks, and nothing of what waited', async () => {
    const { out, outcomes } = await play(replyParts(), [
      Buffer.concat([
        start(),
        text(0, ['Card 4111 1111 1111 111']),
        event('content_block_delta', { index: 7 }),
      ]),
    ])
    const { content, stopped } = read(out)
    expect(stopped).toBe(true)
    expect(outcomes[0]?.result).toBe('cut')
    expect(content[0]).toMatchObject({ type: 'text' })
    expect(out.toString()).not.toContain('4111 1111 1111 1111')
  })

  test('blocks that overlap do not mix their text', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'text', text: '' }),
      blockStart(1, { type: 'text', text: '' }),
      delta(0, 'text_delta', { text: 'ann@exa' }),
      delta(1, 'text_delta', { text: 'bob@exa' }),
      delta(0, 'text_delta', { text: 'mple.com' }),
      delta(1, 'text_delta', { text: 'mple.org' }),
      blockStop(0),
      blockStop(1),
      end('end_turn'),
    ])
    const { out } = await play(replyParts([{ detectors: ['email'], style: 'partial' }]), [reply])
    expect(out.toString()).not.toMatch(/ann@|bob@|mple\.com.*mple\.com/s)
    expect(out.toString()).toContain('example.org')
  })

  test('text that stands in the start of a block is part of what follows', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'text', text: 'ann@exa' }),
      delta(0, 'text_delta', { text: 'mple.com.' }),
      blockStop(0),
      end('end_turn'),
    ])
    const { out } = await play(replyParts(), [reply])
    expect(textOf(out)).toBe('[REDACTED:email].')
  })

  test('observed findings are counted and nothing is altered', async () => {
    const parts = replyParts([{ detectors: ['email'], style: 'redact', observe: true }])
    const reply = Buffer.concat([start(), text(0, ['to ann@ex', 'ample.com']), end('end_turn')])
    const { out } = await play(parts, [reply])
    expect(textOf(out)).toBe('to ann@example.com')
    expect(parts.findings.observed).toEqual({ email: 1 })
    expect(parts.findings.masked).toEqual({})
  })
})

describe('secrets elsewhere', () => {
  const EMAIL = 'ann@example.com'
  test.each([
    [
      'cited text',
      delta(0, 'citations_delta', { citation: { type: 'char_location', cited_text: EMAIL } }),
    ],
    ['a delta that is not known', delta(0, 'hologram_delta', { shape: EMAIL })],
    [
      'a nested part of a delta that is not known',
      delta(0, 'hologram_delta', { a: { b: [EMAIL] } }),
    ],
    [
      'a field beside the delta',
      event('content_block_delta', {
        index: 0,
        note: EMAIL,
        delta: { type: 'text_delta', text: '' },
      }),
    ],
    ['an event that is not known', event('hologram', { content: [EMAIL] })],
    ['a comment', Buffer.from(`: ${EMAIL}\n\n`)],
    ['an event id', Buffer.from(`event: ping\nid: ${EMAIL}\ndata: {"type": "ping"}\n\n`)],
    [
      'a field that is not known',
      Buffer.from(`event: ping\nx: ${EMAIL}\ndata: {"type": "ping"}\n\n`),
    ],
    ['an event name alone', Buffer.from(`event: ${EMAIL}\n\n`)],
  ])('%s is masked', async (_name, frame) => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'text', text: '' }),
      frame,
      blockStop(0),
      end('end_turn'),
    ])
    const { out, ended } = await play(replyParts(), [reply])
    expect(out.toString()).not.toContain(EMAIL)
    expect(ended).toBe(true)
    expect(read(out).stopped).toBe(true)
  })

  test('results of tools that run at the provider are masked, their ids and encrypted parts are not', async () => {
    const result = {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_1',
      content: [{ type: 'web_search_result', title: EMAIL, encrypted_content: EMAIL }],
    }
    const reply = Buffer.concat([start(), blockStart(0, result), blockStop(0), end('end_turn')])
    const { out } = await play(replyParts(), [reply])
    expect(read(out).content[0]).toEqual({
      ...result,
      content: [{ type: 'web_search_result', title: '[REDACTED:email]', encrypted_content: EMAIL }],
    })
  })

  test('the input of a tool at the provider is masked as it streams', async () => {
    const input = JSON.stringify({ query: `who is ${EMAIL}`, [EMAIL]: 4111111111111111 })
    await fc.assert(
      fc.asyncProperty(places, async (cuts) => {
        const reply = Buffer.concat([
          start(),
          blockStart(0, { type: 'mcp_tool_use', id: 'mcptoolu_1', name: 'find', input: {} }),
          ...split(input, cuts).map((piece) =>
            delta(0, 'input_json_delta', { partial_json: piece }),
          ),
          blockStop(0),
          end('end_turn'),
        ])
        const { out } = await play(replyParts(), [reply])
        expect(read(out).content[0]?.['input']).toEqual({
          query: 'who is [REDACTED:email]',
          '[REDACTED:email]': '[REDACTED:credit_card]',
        })
      }),
      { numRuns: 50 },
    )
  })

  test('the input of a tool at the provider may be cut inside of a character', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'x', input: {} }),
      delta(0, 'input_json_delta', { partial_json: '{"query": "so \ud83d' }),
      delta(0, 'input_json_delta', { partial_json: '\ude00"}' }),
      blockStop(0),
      end('end_turn'),
    ])
    const { out } = await play(replyParts(), [reply])
    expect(read(out).content[0]?.['input']).toEqual({ query: 'so \u{1F600}' })
  })

  test('an error event is masked and the outcome is on record before it', async () => {
    const error = event('error', { error: { type: 'overloaded_error', message: `by ${EMAIL}` } })
    const { out, outcomes, outAtOutcome } = await play(replyParts(), [
      Buffer.concat([start(), error]),
    ])
    expect(out.toString()).toContain('by [REDACTED:email]')
    expect(outcomes[0]?.result).toBe('failed')
    expect(outAtOutcome[0]).toBe(start().length)
  })

  test('an injected credential is redacted even where nothing else is altered', async () => {
    const secret = ['s3cr3t', 'upstream', 'value'].join('-')
    const parts = replyParts([], undefined, [secret])
    const reply = Buffer.concat([
      start({ id: secret, model: Buffer.from(secret).toString('base64') }),
      text(0, ['your key is s3cr3t-up', 'stream-value']),
      toolUse(1, 'Bash', [`{"command": "echo ${secret}"}`]),
      end('tool_use'),
    ])
    const { out } = await play(
      { ...parts, admit: () => Promise.resolve({ ok: true, value: '{}' }) },
      [reply],
    )
    expect(out.toString()).not.toContain(secret)
    expect(out.toString()).not.toContain(Buffer.from(secret).toString('base64').slice(0, -2))
    expect(textOf(out)).toBe('your key is [REDACTED:credential]')
  })

  test('a finding in thinking cuts the reply before any of it is out', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, 'thinking_delta', { thinking: 'it is 4111 1111 ' }),
      delta(0, 'thinking_delta', { thinking: '1111 1111, so' }),
      delta(0, 'signature_delta', { signature: 'abc' }),
      blockStop(0),
      end('end_turn'),
    ])
    const { out, outcomes, ended } = await play(replyParts(), [reply])
    expect(out.toString()).not.toContain('4111')
    expect(outcomes).toEqual([
      { result: 'cut', reason: 'the thinking holds something that must be masked' },
    ])
    expect(ended).toBe(true)
    const message = read(out)
    expect(message.stop_reason).toBe('end_turn')
    expect(message.content.at(-1)?.['text']).toContain('decision decision-1')
  })

  test('thinking that goes on behind its signature cuts the reply, for a secret could be on both sides', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, 'thinking_delta', { thinking: 'it is 4111 1111 ' }),
      delta(0, 'signature_delta', { signature: 'abc' }),
      delta(0, 'thinking_delta', { thinking: '1111 1111, so' }),
      blockStop(0),
      end('end_turn'),
    ])
    const { out, outcomes } = await play(replyParts(), [reply])
    expect(read(out).content[0]?.['thinking']).toBe('it is 4111 1111 ')
    expect(outcomes).toEqual([{ result: 'cut', reason: 'a block goes on behind its signature' }])
  })

  test('a finding in thinking passes on record when the mask only observes', async () => {
    const parts = replyParts([{ detectors: ['email'], style: 'redact', observe: true }])
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'thinking', thinking: '' }),
      delta(0, 'thinking_delta', { thinking: EMAIL }),
      blockStop(0),
      end('end_turn'),
    ])
    const { out } = await play(parts, [reply])
    expect(out.equals(reply)).toBe(true)
    expect(parts.findings.observed).toEqual({ email: 1 })
  })
})

describe('tool calls', () => {
  const calling = Buffer.concat([
    start(),
    text(0, ['I will.']),
    toolUse(1, 'Bash', ['{"command": "rm', ' -fr /"}']),
    end('tool_use'),
  ])

  test('one that is refused becomes text, and the message no longer stops for it', async () => {
    const { out, ended } = await play(replyParts(everything, refuse), [calling])
    const message = read(out)
    expect(message.content.map((block) => block['type'])).toEqual(['text', 'text'])
    expect(message.content[1]?.['text']).toBe(
      '[Countersign refused the tool call Bash: No Bash here (decision decision-7).]',
    )
    expect(message.stop_reason).toBe('end_turn')
    expect(ended).toBe(true)
    expect(out.toString()).not.toContain('rm')
  })

  test('nothing of one goes out before it is decided', async () => {
    let before = -1
    const sent: Buffer[] = []
    const admit: Admit = (call) => {
      before = Buffer.concat(sent).length
      const id = 'toolu_01T1x1fJ34qAmk2tNTrN7Up6'
      expect(call).toEqual({ id, name: 'Bash', input: '{"command": "rm -fr /"}' })
      return Promise.resolve({ ok: true, value: call.input })
    }
    const { createReplyStream } = await import('./reply-stream.ts')
    const stream = createReplyStream({
      ...replyParts([], admit),
      decision_id: 'd',
      maxInputBytes: 1000,
      write: (bytes) => (sent.push(bytes), Promise.resolve()),
      record: () => Promise.resolve(),
    })
    await stream.feed(calling)
    expect(before).toBe(Buffer.concat([start(), text(0, ['I will.'])]).length)
    expect(Buffer.concat(sent).equals(calling)).toBe(true)
  })

  test('the sentence about a refusal quotes no secret that the model wrote as a name', async () => {
    const reply = Buffer.concat([start(), toolUse(0, 'ann@example.com', ['{}']), end('tool_use')])
    const { out } = await play(replyParts(everything, refuse), [reply])
    expect(out.toString()).not.toContain('ann@example.com')
  })

  test('when one of two is refused the message still stops for the other', async () => {
    const some: Admit = (call) =>
      call.input.includes('rm') ? refuse(call) : Promise.resolve({ ok: true, value: call.input })
    const reply = Buffer.concat([
      start(),
      toolUse(0, 'Bash', ['{"command": "rm x"}']),
      toolUse(1, 'Bash', ['{"command": "ls"}']),
      end('tool_use'),
    ])
    const message = read((await play(replyParts(everything, some), [reply])).out)
    expect(message.content.map((block) => block['type'])).toEqual(['text', 'tool_use'])
    expect(message.stop_reason).toBe('tool_use')
  })

  test('an input that was masked goes out as it was masked', async () => {
    const masked: Admit = () => Promise.resolve({ ok: true, value: '{"command":"echo [x]"}' })
    const message = read((await play(replyParts(everything, masked), [calling])).out)
    expect(message.content[1]).toEqual({
      type: 'tool_use',
      id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
      name: 'Bash',
      input: { command: 'echo [x]' },
    })
    expect(message.stop_reason).toBe('tool_use')
  })

  test('an input that stands in the start of its block is decided as well', async () => {
    const seen: string[] = []
    const admit: Admit = (call) => (seen.push(call.input), refuse(call))
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'tool_use', id: 't', name: 'Bash', input: { command: 'rm x' } }),
      blockStop(0),
      end('tool_use'),
    ])
    const { out } = await play(replyParts([], admit), [reply])
    expect(seen).toEqual(['{"command":"rm x"}'])
    expect(out.toString()).not.toContain('rm x')
  })

  test('a block that begins inside of one cuts the reply', async () => {
    const reply = Buffer.concat([
      start(),
      blockStart(0, { type: 'tool_use', id: 't', name: 'Bash', input: {} }),
      text(1, ['x']),
      blockStop(0),
      end('tool_use'),
    ])
    const { out, outcomes } = await play(replyParts(), [reply])
    expect(outcomes[0]?.result).toBe('cut')
    expect(read(out).content.map((block) => block['type'])).toEqual(['text'])
  })

  test('one that is too long cuts the reply, without any of it', async () => {
    const long = Array.from({ length: 40 }, () => `"${'x'.repeat(40_000)}",`)
    const reply = Buffer.concat([
      start(),
      toolUse(0, 'Write', ['[', ...long, '1]']),
      end('tool_use'),
    ])
    const { out, outcomes } = await play(replyParts(), [reply])
    expect(outcomes).toEqual([{ result: 'cut', reason: 'a tool call is too long' }])
    expect(out.toString()).not.toContain('xxx')
  })
})

describe('replies that are not as they should be', () => {
  const open = Buffer.concat([
    start(),
    blockStart(0, { type: 'text', text: '' }),
    delta(0, 'text_delta', { text: 'So ann@' }),
  ])

  test.each([
    ['data that is not JSON', Buffer.from('event: content_block_delta\ndata: {"type":\n\n')],
    ['data that is not an object', Buffer.from('data: 7\n\n')],
    [
      'a key that occurs twice',
      Buffer.from('data: {"type":"ping","type":"content_block_stop"}\n\n'),
    ],
    [
      'an event that is not what it is called',
      Buffer.from('event: ping\ndata: {"type":"content_block_stop","index":0}\n\n'),
    ],
    ['a delta for a block that is not open', delta(3, 'text_delta', { text: 'x' })],
    ['a block out of order', blockStart(7, { type: 'text', text: '' })],
    ['a message that ends inside a block', end('end_turn')],
    ['a second message', start()],
    ['bytes that are not UTF-8', Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a])],
    ['a delta without a type', event('content_block_delta', { index: 0, delta: { text: 'x' } })],
  ])('%s: the reply is closed with a notice, without what was held', async (_name, frame) => {
    const { out, outcomes, ended, outAtOutcome } = await play(replyParts(), [
      open,
      frame,
      Buffer.from('data: {"type":"ping"}\n\n'),
    ])
    const message = read(out)
    expect(message.stopped).toBe(true)
    expect(String(message.content[0]?.['text'])).toMatch(
      /^So \[Countersign cut this reply: .* \(decision decision-1\)\.\]$/,
    )
    expect(message.stop_reason).toBe('end_turn')
    expect(outcomes).toHaveLength(1)
    expect(outcomes[0]?.result).toBe('cut')
    expect(outAtOutcome[0]).toBeLessThan(out.length)
    expect(ended).toBe(true)
  })

  test('more blocks at once than anybody sends cut the reply', async () => {
    const more = Array.from({ length: 40 }, (_, at) =>
      blockStart(1 + at, { type: 'text', text: '' }),
    )
    const { out, outcomes } = await play(replyParts(), [open, ...more])
    expect(outcomes).toEqual([{ result: 'cut', reason: 'too many blocks are open at once' }])
    expect(out.toString()).not.toContain('ann@')
  })

  test('an event that never ends cuts the reply', async () => {
    const endless = Buffer.alloc(17 * 1024 * 1024, 'x')
    const { outcomes } = await play(replyParts(), [open, Buffer.from('data: '), endless])
    expect(outcomes[0]?.result).toBe('cut')
  })

  test('an answer that ends in the middle has no end for the client, and half an event is not sent', async () => {
    const { out, outcomes, ended } = await play(replyParts([]), [
      open,
      Buffer.from('event: content_block_delta\ndata: {"secr'),
    ])
    expect(ended).toBe(false)
    expect(out.equals(open)).toBe(true)
    expect(outcomes).toEqual([
      { result: 'failed', reason: 'the upstream ended in the middle of its answer' },
    ])
  })

  test('before anything was sent there is no stream to close: the caller refuses', async () => {
    await expect(play(replyParts(), [Buffer.from('data: nonsense\n\n')])).rejects.toThrow(ReplyCut)
    await expect(
      play(replyParts(), [
        start({ content: [{ type: 'tool_use', id: 't', name: 'Bash', input: {} }] }),
      ]),
    ).rejects.toThrow(ReplyCut)
  })

  test('any bytes at any split give a stream that can be read, or none', async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(
          start(),
          end('tool_use'),
          blockStop(0),
          text(0, ['ann@exa', 'mple.com']),
          toolUse(0, 'Bash', ['{}']),
        ),
        fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        fc.nat(recorded.length).map((at) => recorded.subarray(at)),
      ),
      { maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        const { out, ended } = await play(replyParts(), parts).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ReplyCut)
          return { out: Buffer.alloc(0), ended: false }
        })
        expect(out.includes('ann@example.com')).toBe(false)
        if (ended && out.includes('message_start')) expect(() => read(out)).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })
})
