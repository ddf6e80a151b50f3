import { expect, test } from 'vitest'
import { err, ok } from '../../../pdp/contract/result.ts'
import { inspectJson } from './reply-json.ts'
import { type Admit, everything, release, replyParts } from './testing.ts'

const EMAIL = 'ann@example.com'
const refuse: Admit = () =>
  Promise.resolve(err({ code: 'denied', message: 'No.', decision_id: 'd-1' }))
const reply = (content: unknown, stop_reason = 'tool_use') =>
  JSON.stringify(
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content,
      stop_reason,
      usage: { output_tokens: 1 },
    },
    null,
    1,
  )
const call = (command: string) => ({
  type: 'tool_use',
  id: 'toolu_1',
  name: 'Bash',
  input: { command },
})

async function inspect(body: string | Buffer, admit: Admit = release) {
  const inspected = await inspectJson(replyParts(everything, admit), Buffer.from(body))
  return inspected.ok ? inspected.value.toString() : inspected.error
}

const parsed = (out: unknown): unknown => JSON.parse(typeof out === 'string' ? out : 'null')

test('a reply in which nothing is found keeps its bytes', async () => {
  const body = reply([{ type: 'text', text: 'Hi \u2013 there' }, call('ls')]).replace(
    'Hi',
    '\\u0048i',
  )
  expect(await inspect(body)).toBe(body)
})

test('text, citations and results are masked; ids, signatures and encrypted parts are not', async () => {
  const content = (email: string) => [
    { type: 'text', text: email, citations: [{ cited_text: email, encrypted_index: EMAIL }] },
    { type: 'redacted_thinking', data: EMAIL },
    {
      type: 'web_search_tool_result',
      tool_use_id: EMAIL,
      content: [{ title: email, encrypted_content: EMAIL }],
    },
    { type: 'mcp_tool_use', id: EMAIL, name: 'x', server_name: 'y', input: { [email]: email } },
    { type: 'hologram', shape: { text: email } },
  ]
  expect(await inspect(reply(content(EMAIL), 'end_turn'))).toBe(
    reply(content('[REDACTED:email]'), 'end_turn'),
  )
})

test('each tool call is decided, in order, with the input as the model wrote it', async () => {
  const seen: string[] = []
  const admit: Admit = ({ input }) => (
    seen.push(input),
    Promise.resolve(
      input.includes('rm') ? err({ code: 'denied', message: 'No.' }) : ok('{"command":"masked"}'),
    )
  )
  const out = await inspect(reply([call('rm x'), { type: 'text', text: 'and' }, call('ls')]), admit)
  expect(seen.map((input) => JSON.parse(input) as unknown)).toEqual([
    { command: 'rm x' },
    { command: 'ls' },
  ])
  expect(parsed(out)).toMatchObject({
    content: [
      { type: 'text', text: '[Countersign refused the tool call Bash: No.]' },
      { type: 'text', text: 'and' },
      { type: 'tool_use', input: { command: 'masked' } },
    ],
    stop_reason: 'tool_use',
  })
})

test('when no call is left the reply no longer stops for one', async () => {
  const out = await inspect(reply([call('rm x')]), refuse)
  expect(parsed(out)).toMatchObject({
    content: [{ type: 'text' }],
    stop_reason: 'end_turn',
  })
  expect(parsed(await inspect(reply([call('rm x')], 'max_tokens'), refuse))).toMatchObject({
    stop_reason: 'max_tokens',
  })
})

test.each([
  ['a finding in thinking', reply([{ type: 'thinking', thinking: EMAIL, signature: 's' }])],
  [
    'a finding in a signed summary',
    reply([{ type: 'compaction', content: EMAIL, signature: 's' }]),
  ],
  ['a tool call without a name', reply([{ type: 'tool_use', id: 't', input: {} }])],
  ['a tool call outside of a list', reply({ x: call('rm') })],
  ['a key that occurs twice', '{"content": [], "content": []}'],
  [
    'a key that occurs twice in a tool call',
    '{"content": [{"type": "tool_use", "name": "a", "input": {"command": "ls", "command": "rm"}}]}',
  ],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['half a reply', '{"content": ['],
])('%s refuses the whole reply', async (_name, body) => {
  expect(await inspect(body)).toMatchObject({ code: 'response_refused' })
})

test('a value that is divided over text blocks is masked as in one', async () => {
  const content = [
    { type: 'text', text: 'Ask ann@exa' },
    { type: 'text', text: 'mple.com now' },
    { type: 'text', text: 'untouched \u2013' },
  ]
  expect(parsed(await inspect(reply(content, 'end_turn')))).toMatchObject({
    content: [{ text: 'Ask [REDACTED:email]' }, { text: ' now' }, { text: 'untouched \u2013' }],
  })
})

test('a number that is a value is masked, and other numbers stay as they are written', async () => {
  const content = [
    {
      type: 'mcp_tool_result',
      structured_content: { card: 4111111111111111, at: 1.5e3, n: 1234567890 },
    },
  ]
  const body = reply(content, 'end_turn')
  const out = await inspect(body)
  expect(parsed(out)).toMatchObject({
    content: [{ structured_content: { card: '[REDACTED:credit_card]', n: 1234567890 } }],
  })
})
