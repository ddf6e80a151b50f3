import type { Case } from './case.ts'
import {
  block,
  event,
  type Fields,
  type Frame,
  type Framing,
  inputDeltas,
  messageEnd,
  messageStart,
  ping,
  plainFraming,
  textDeltas,
} from './frames.ts'
import { scriptOf, type Writes } from './script.ts'

/** Replies without a secret: they must come back as they were sent. */

type Control = { readonly name: string; readonly frames: readonly Frame[] }

const reply = (blocks: readonly Frame[], stop_reason = 'end_turn'): readonly Frame[] => [
  messageStart,
  ping,
  ...blocks,
  ...messageEnd(stop_reason),
]

const inPieces = (text: string, length: number): string[] =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, k) =>
    text.slice(k * length, (k + 1) * length),
  )

const toolUse = (index: number, name: string, input: string, type = 'tool_use'): Frame[] =>
  block(
    index,
    {
      type,
      id: `toolu_0${index}`,
      name,
      input: {},
      ...(type === 'mcp_tool_use' && { server_name: 'example' }),
    },
    inputDeltas(['', ...inPieces(input, 7)]),
  )

const paragraph =
  'The build of 2026-01-02 took 4.50 s (commit 9fceb02d0ae598e95dc970b74767f19372d61af8, job ' +
  '123e4567-e89b-12d3-a456-426614174000): 1,024 of 2,048 tests ran, 3.14159 % of them twice.\n'

/** Text that is cut between characters: combining marks, joiners, right to left, line separators, an escape of NUL. */
const unicode = [
  'Zu\u0308rich, ',
  '\u{1F468}\u200D\u{1F469}\u200D\u{1F467} ',
  'שלום ',
  'عالم',
  ' 漢字かな交じり文 ',
  'a\u2028b\u2029c',
  '\u0000\u001f\t"\\/ ',
  '\u{1D11E}\uFEFF\uFFFD',
]

const signature = Buffer.alloc(300, 'signed, as far as a reader can tell ').toString('base64')

const thinking: readonly Fields[] = [
  { type: 'thinking_delta', thinking: 'Let me look at the files: ' },
  { type: 'thinking_delta', thinking: 'first src, then test – ✓' },
  ...inPieces(signature, signature.length).map((piece) => ({
    type: 'signature_delta',
    signature: piece,
  })),
]

/** Numbers and keys that a reader in between would not write the same way again. */
const input =
  '{"z": 1.0, "a": [12345678901234567890, 1e22, -0], "path": "C:\\\\src\\u0041\\/x", "": null, "é": "\\ud83d\\ude00"}'

const citation: Fields = {
  type: 'web_search_result_location',
  cited_text: 'It is sunny in New York.',
  url: 'https://weather.example.com/nyc?day=today#now',
  title: 'Weather in New York City',
  encrypted_index: 'Eo8BCioIAhgBIiQyYjQ0OWJmZi1lNm',
}

const controls_: readonly Control[] = [
  {
    name: 'text',
    frames: reply(block(0, { type: 'text', text: '' }, textDeltas(['Hello', ', ', 'world', '!']))),
  },
  {
    name: 'long_text',
    frames: reply(
      block(0, { type: 'text', text: '' }, textDeltas(inPieces(paragraph.repeat(150), 29))),
    ),
  },
  { name: 'unicode', frames: reply(block(0, { type: 'text', text: '' }, textDeltas(unicode))) },
  {
    name: 'thinking',
    frames: reply([
      ...block(0, { type: 'thinking', thinking: '', signature: '' }, thinking),
      ...block(1, { type: 'redacted_thinking', data: signature }, []),
      ...block(2, { type: 'text', text: '' }, textDeltas(['Done.'])),
    ]),
  },
  {
    name: 'tool_use',
    frames: reply(
      [
        ...block(0, { type: 'text', text: '' }, textDeltas(['I look.'])),
        ...toolUse(1, 'lookup', input),
        ...toolUse(2, 'no_arguments', ''),
      ],
      'tool_use',
    ),
  },
  {
    name: 'mcp_names',
    frames: reply(
      [
        ...toolUse(0, 'mcp__issue-tracker__create_issue', '{"title": "Broken", "labels": []}'),
        ...toolUse(1, 'list_files', '{"folder": "docs"}', 'mcp_tool_use'),
        ...block(
          2,
          {
            type: 'mcp_tool_result',
            tool_use_id: 'toolu_01',
            is_error: false,
            content: [{ type: 'text', text: 'a.md\nb.md' }],
          },
          [],
        ),
      ],
      'tool_use',
    ),
  },
  {
    name: 'web_search',
    frames: reply([
      ...toolUse(0, 'web_search', '{"query": "weather NYC today"}', 'server_tool_use'),
      ...block(
        1,
        {
          type: 'web_search_tool_result',
          tool_use_id: 'toolu_00',
          content: [
            {
              type: 'web_search_result',
              title: 'Weather in New York City',
              url: 'https://weather.example.com/nyc',
              encrypted_content: signature,
              page_age: null,
            },
          ],
        },
        [],
      ),
      ...block(2, { type: 'text', text: '', citations: [] }, [
        { type: 'citations_delta', citation },
        ...textDeltas(['It is ', 'sunny.']),
      ]),
    ]),
  },
  {
    // Readers skip what they do not know; what is in between has to pass it on.
    name: 'unknown_kinds',
    frames: reply([
      event('novel_event', { note: 'skipped by readers' }),
      ...block(0, { type: 'novel_block', shape: { of: ['things', 1, true] } }, [
        { type: 'novel_delta', part: 'one' },
      ]),
      ...block(1, { type: 'text', text: '', novel_field: 'kept' }, textDeltas(['Hello.'])),
    ]),
  },
]

type Variant = {
  readonly name: string
  readonly says: string
  readonly writes?: Writes
  readonly framing?: Partial<Framing>
}

const variants: readonly Variant[] = [
  { name: 'events', says: 'one event a write' },
  { name: 'one-write', says: 'the reply in one write', writes: { each: 'reply' } },
  { name: 'bytes', says: 'one byte a write', writes: { each: 'byte' } },
  { name: 'crlf', says: 'lines end in CRLF', framing: { newline: '\r\n' } },
  { name: 'cr', says: 'lines end in CR', framing: { newline: '\r' } },
  { name: 'data-lines', says: 'several data: lines an event', framing: { dataLines: true } },
  { name: 'escaped', says: 'written as \\uXXXX', framing: { escaped: true } },
]

export function controls(): Case[] {
  return controls_.flatMap(({ name, frames }) =>
    variants
      // Bytes of 26 KB one by one take long, and show nothing more.
      .filter((variant) => name !== 'long_text' || variant.name !== 'bytes')
      .map((variant): Case => ({
        id: `control.${name}.${variant.name}`,
        kind: 'control',
        place: name,
        says: variant.says,
        script: scriptOf(frames, variant.writes, { ...plainFraming, ...variant.framing }),
        ends: 'message_stop',
      })),
  )
}
