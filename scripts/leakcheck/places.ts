import {
  block,
  event,
  type Frame,
  inputDeltas,
  messageEnd,
  messageStart,
  textDeltas,
} from './frames.ts'

/** Where in a reply a secret can stand. */
export type Place = {
  readonly name: string
  /** How many of the possible splits are tried; `none`: the text comes in one event by its nature. */
  readonly splits: 'every' | 'few' | 'none'
  /** The text around the secret, and the secret as it is written there. */
  readonly around: readonly [before: string, after: string]
  readonly written: (secret: string) => string
  /** @param pieces of `before + secret + after`. */
  readonly frames: (pieces: readonly string[]) => readonly Frame[]
  /** How a reply ends. */
  readonly ends: 'message_stop' | 'error'
}

/** Ends with a character of four bytes, to be cut in its middle. */
const BEFORE = 'Grüße aus Köln 😀 '
/** Its last word says whether the text went on behind the secret. */
const AFTER = ' – und der Rest, afterwards'
export const LAST_WORD = 'afterwards'
const LEAD = 'This is what was found in the files.'

const asIs = (secret: string): string => secret
const inJson = (secret: string): string => JSON.stringify(secret).slice(1, -1)
const reply = (...frames: readonly Frame[]): readonly Frame[] => [
  messageStart,
  ...frames,
  ...messageEnd('end_turn'),
]
const text = (index: number, pieces: readonly string[]): Frame[] =>
  block(index, { type: 'text', text: '' }, textDeltas(pieces))

const base = { around: [BEFORE, AFTER], written: asIs, ends: 'message_stop' } as const

export const places: readonly Place[] = [
  {
    ...base,
    name: 'text',
    splits: 'every',
    frames: (pieces) => reply(...text(0, [LEAD, ...pieces])),
  },
  {
    ...base,
    name: 'tool_input',
    splits: 'every',
    around: [`{"note": "${BEFORE}", "query": "`, `${AFTER}", "limit": 3}`],
    written: inJson,
    frames: (pieces) => [
      messageStart,
      ...text(0, [LEAD]),
      ...block(
        1,
        { type: 'tool_use', id: 'toolu_leakcheck', name: 'lookup', input: {} },
        inputDeltas(['', ...pieces]),
      ),
      ...messageEnd('tool_use'),
    ],
  },
  {
    ...base,
    name: 'text_start',
    splits: 'few',
    frames: ([first = '', ...rest]) =>
      reply(...block(0, { type: 'text', text: first }, textDeltas(rest))),
  },
  {
    ...base,
    name: 'thinking',
    splits: 'few',
    frames: (pieces) =>
      reply(
        ...block(0, { type: 'thinking', thinking: '', signature: '' }, [
          ...[LEAD, ...pieces].map((thinking) => ({ type: 'thinking_delta', thinking })),
          { type: 'signature_delta', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3h' },
        ]),
        ...text(1, [LEAD]),
      ),
  },
  {
    ...base,
    // A block kind that is rarer than text, and begins in its start all the same.
    name: 'compaction',
    splits: 'few',
    frames: ([first = '', ...rest]) =>
      reply(
        ...block(
          0,
          { type: 'compaction', content: first },
          rest.map((content) => ({ type: 'compaction_delta', content })),
        ),
        ...text(1, [LEAD]),
      ),
  },
  {
    ...base,
    // Citations divide a text into blocks, which readers show as one text.
    name: 'across_blocks',
    splits: 'few',
    frames: (pieces) => reply(...pieces.flatMap((piece, index) => text(index, [piece]))),
  },
  {
    ...base,
    name: 'citation',
    splits: 'none',
    frames: (pieces) =>
      reply(
        ...block(0, { type: 'text', text: '', citations: [] }, [
          ...textDeltas([LEAD]),
          {
            type: 'citations_delta',
            citation: {
              type: 'char_location',
              cited_text: pieces.join(''),
              document_index: 0,
              document_title: 'notes.txt',
              start_char_index: 0,
              end_char_index: 20,
            },
          },
        ]),
      ),
  },
  {
    ...base,
    name: 'server_result',
    splits: 'none',
    frames: (pieces) => reply(...serverResults(pieces.join(''))),
  },
  {
    ...base,
    name: 'error',
    splits: 'none',
    ends: 'error',
    frames: (pieces) => [
      messageStart,
      event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      ...textDeltas([LEAD]).map((delta) => event('content_block_delta', { index: 0, delta })),
      event('error', { error: { type: 'overloaded_error', message: pieces.join('') } }),
    ],
  },
  {
    ...base,
    // Readers skip it, but it is in the bytes that they were sent.
    name: 'sse_comment',
    splits: 'none',
    frames: (pieces) => [
      messageStart,
      { comment: oneLine(pieces.join('')), id: oneLine(pieces.join('')) },
      ...text(0, [`${LEAD}${AFTER}`]),
      ...messageEnd('end_turn'),
    ],
  },
]

const oneLine = (text: string): string => text.replaceAll('\n', '')

/** What ran at the provider: a search, a program, an MCP tool. */
const serverResults = (found: string): Frame[] => [
  ...block(
    0,
    {
      type: 'web_search_tool_result',
      tool_use_id: 'srvtoolu_1',
      content: [
        {
          type: 'web_search_result',
          title: found,
          url: 'https://news.example.com/today',
          encrypted_content: 'Ev0DCioIAxgCIiQ3NmU4ZmI4OC1k',
          page_age: null,
        },
      ],
    },
    [],
  ),
  ...block(
    1,
    {
      type: 'bash_code_execution_tool_result',
      tool_use_id: 'srvtoolu_2',
      content: {
        type: 'bash_code_execution_result',
        stdout: found,
        stderr: '',
        return_code: 0,
        content: [],
      },
    },
    [],
  ),
  ...block(
    2,
    {
      type: 'mcp_tool_result',
      tool_use_id: 'mcptoolu_3',
      is_error: false,
      content: [{ type: 'text', text: found }],
    },
    [],
  ),
]
