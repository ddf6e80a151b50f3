import { encodeSse } from '../../pep/mask/sse.ts'

/** A session made up for tests, as the API would answer it. It holds one of everything that a replay shows. */

/** Names a place that an agent or an upstream fills; a test of hostile content puts its own there. */
export type Fill = (place: string, usual: string) => string

type Written = { readonly text: string } | { readonly base64: string }
export type AnsweredStep = {
  readonly index: number
  readonly leaf: Record<string, unknown>
  readonly record?: Record<string, unknown>
  readonly unreadable?: { readonly code: string; readonly message: string }
}

export const SESSION = '6f2c8d0e-5a1b-4c3d-9e8f-0a1b2c3d4e5f'
/** 2026-03-04 09:00 UTC. */
const START_MS = Date.UTC(2026, 2, 4, 9)
const REVISION = '5d41402abc4b2a76b9719d911017c592aa1bbf7a8f0e6d4c2b1a09f8e7d6c5b4'
const SUBJECT = { issuer: 'http://127.0.0.1:8089', type: 'agent', id: 'demo-agent' }

const written = (bytes: Buffer): Written => {
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? { text } : { base64: bytes.toString('base64') }
}

/** @param fill what stands in the places that others fill. */
export function exampleSession(fill: Fill = (_place, usual) => usual): readonly AnsweredStep[] {
  const steps: AnsweredStep[] = []
  let now = START_MS
  let seq = 0

  const add = (
    leaf: Record<string, unknown>,
    more: Pick<AnsweredStep, 'record' | 'unreadable'> = {},
  ): void => {
    const source =
      leaf['kind'] === 'approval' || leaf['kind'] === 'policy' || leaf['kind'] === 'admin'
        ? { pdp: 'pdp-1' }
        : { pep: 'pep-1', epoch: 'e1', seq: seq++ }
    steps.push({
      index: 100 + steps.length * 3,
      leaf: { v: 1, time_ms: now, logged_ms: now + 40, source, session_id: SESSION, ...leaf },
      ...more,
    })
  }

  type Asked = {
    readonly id: string
    readonly action: string
    readonly connection: string
    readonly resource: readonly [type: string, id: string]
    readonly parent_id?: string
    readonly effect?: 'allow' | 'deny' | 'approve'
    readonly rules: readonly (readonly [rule: string, message: string])[]
    readonly refused?: string
    readonly approval_id?: string
    readonly masked?: Record<string, number>
    readonly method?: string
    readonly target?: string
    readonly headers?: readonly (readonly [string, string])[]
    readonly body?: Buffer
    readonly forwarded?: Buffer
    /** How long before it was forwarded it was asked for. */
    readonly asked_before_ms?: number
    readonly unreadable?: AnsweredStep['unreadable']
  }

  const decide = (kind: 'intent' | 'decision', asked: Asked): void => {
    const { id, effect = 'allow', rules, approval_id, masked = {}, parent_id, unreadable } = asked
    const { body, forwarded, method, target, headers } = asked
    const decision = { id: `decision-${id}`, effect, revision: REVISION }
    const leaf = {
      kind,
      operation_id: id,
      ...(parent_id !== undefined && { parent_id }),
      subject: SUBJECT,
      connection: asked.connection,
      action: asked.action,
      resource_type: asked.resource[0],
      decision: {
        ...decision,
        rules: rules.map(([rule]) => rule),
        obligations: ['mask', 'record'],
        ...(approval_id !== undefined && { approval_id }),
      },
      ...(asked.refused !== undefined && { refused: asked.refused }),
      masked,
      observed: {},
    }
    if (unreadable) {
      add(leaf, { unreadable })
      return
    }
    add(leaf, {
      record: {
        kind,
        operation_id: id,
        ...(parent_id !== undefined && { parent_id }),
        time_ms: now,
        connection: asked.connection,
        request: {
          subject: { ...SUBJECT, properties: { issuer: SUBJECT.issuer, groups: ['agents'] } },
          action: { name: asked.action },
          resource: { type: asked.resource[0], id: asked.resource[1] },
          context: {
            time_ms: now - (asked.asked_before_ms ?? 4),
            session: { id: SESSION, label: fill('label', 'tidy the billing folder') },
          },
        },
        decision: {
          ...decision,
          reasons: rules.map(([rule, message]) => ({ rule, message })),
          obligations: [],
        },
        ...(asked.refused !== undefined && { refused: asked.refused }),
        exchange: {
          ...(method !== undefined && { method }),
          ...(target !== undefined && { target }),
          ...(headers !== undefined && { headers }),
          body_bytes: body?.length ?? 0,
          ...(body && { body: written(body) }),
          ...(forwarded && { forwarded: written(forwarded) }),
        },
        masked,
        observed: {},
      },
    })
  }

  const stream = (
    id: string,
    direction: 'received' | 'delivered',
    parts: readonly Buffer[],
    every_ms: number,
    begin_ms = now,
    offset = 0,
  ): number => {
    const pieces = parts.map((part, n) => [begin_ms + n * every_ms, part.length] as const)
    const body = Buffer.concat(parts)
    const ended = begin_ms + (parts.length - 1) * every_ms
    const before = now
    now = Math.max(ended, before)
    add(
      { kind: 'chunk', operation_id: id, direction, offset, bytes: body.length },
      {
        record: {
          kind: 'chunk',
          operation_id: id,
          time_ms: now,
          direction,
          offset,
          pieces,
          body: written(body),
        },
      },
    )
    return ended
  }

  const end = (
    id: string,
    result: string,
    more: Record<string, unknown> = {},
    record: Record<string, unknown> = {},
  ): void => {
    const both = { operation_id: id, result, bytes_in: 0, bytes_out: 0, masked: {}, observed: {} }
    add(
      { kind: 'outcome', ...both, ...more },
      { record: { kind: 'outcome', time_ms: now, ...both, ...more, ...record } },
    )
  }

  const model = fill('model', 'claude-sonnet-4-5')
  const tool = fill('tool name', 'Bash')
  const headers = [
    ['content-type', 'application/json'],
    ['anthropic-version', '2023-06-01'],
    ['x-note', fill('header', 'from the nightly job')],
  ] as const
  const turns: unknown[] = []
  const ask = (content: unknown): Buffer => {
    turns.push({ role: 'user', content })
    return Buffer.from(
      JSON.stringify({
        model,
        max_tokens: 4096,
        stream: true,
        system: fill('system', 'You keep a small company’s files in order. Be careful.'),
        tools: [{ name: tool, description: fill('tool description', 'Runs a command') }],
        metadata: { [fill('JSON key', 'ticket')]: fill('JSON value', 'OPS-42') },
        messages: turns,
      }),
    )
  }
  const message = (id: string, body: Buffer, forwarded?: Buffer, masked = {}): void =>
    decide('intent', {
      id,
      action: 'anthropic.messages.create',
      connection: 'claude',
      resource: ['anthropic.model', model],
      rules: [['agents_use_claude', 'Agents may use Claude.']],
      method: 'POST',
      target: fill('path', '/v1/messages?beta=true'),
      headers,
      body,
      masked,
      ...(forwarded && { forwarded }),
    })

  add({
    kind: 'policy',
    revision: REVISION,
    config_digest: 'ab'.repeat(32),
    bundles: [
      { name: 'default', revision: REVISION, digest: 'cd'.repeat(32), git_revision: 'd0b85c1' },
    ],
  })

  // A reply that is masked as it streams, with a tool call that policy allows.
  now += 1200
  const first = ask(
    fill(
      'message',
      'List the folder, and tell me whom to ask about invoices. My card is 4242 4242 4242 4242.',
    ),
  )
  message(
    'op-1',
    first,
    Buffer.from(first.toString().replace('4242 4242 4242 4242', '[REDACTED:credit_card]')),
    {
      credit_card: 1,
    },
  )
  now += 700
  const words = fill(
    'SSE text',
    'Invoices are with Ada Lovelace, reachable at ada.lovelace@example.com or +44 20 7946 0958. I list the folder now; it should hold the four quarters and nothing else.',
  )
  const thinking = fill(
    'SSE thinking',
    'The person wants a contact and a listing. A listing is harmless.',
  )
  const list = { command: fill('tool input', 'ls -la billing/'), description: 'List files' }
  const came = replyStream({ model, thinking, text: words, tool, input: list, id: 'toolu_01' })
  const gone = replyStream({
    model,
    thinking,
    text: words
      .replace('ada.lovelace@example.com', '[REDACTED:email]')
      .replace('+44 20 7946 0958', '[REDACTED:phone]'),
    tool,
    input: list,
    id: 'toolu_01',
  })
  const began = now
  stream('op-1', 'received', came, 45, began)
  now += 30
  decide('decision', {
    id: 'op-1-tool',
    parent_id: 'op-1',
    action: 'anthropic.tool_use',
    connection: 'claude',
    resource: ['anthropic.tool', tool],
    rules: [['agents_read_files', 'Commands that only read are allowed.']],
    body: Buffer.from(JSON.stringify(list)),
  })
  stream('op-1', 'delivered', gone, 45, began + 120)
  now += 20
  end(
    'op-1',
    'completed',
    {
      status: 200,
      bytes_in: Buffer.concat(came).length,
      bytes_out: Buffer.concat(gone).length,
      masked: { email: 1, phone: 1, [fill('detector', 'custom:customer_number')]: 2 },
    },
    {
      headers: [
        ['content-type', 'text/event-stream'],
        ['request-id', fill('reply header', 'req_011')],
      ],
    },
  )

  // The next turn: what came before is sent again. The tool call in its reply is refused.
  now += 1900
  turns.push({
    role: 'assistant',
    content: [
      { type: 'text', text: words },
      { type: 'tool_use', id: 'toolu_01', name: tool, input: list },
    ],
  })
  const second = ask([
    {
      type: 'tool_result',
      tool_use_id: 'toolu_01',
      content: fill('tool result', 'q1.pdf  q2.pdf  q3.pdf  q4.pdf  old/'),
    },
  ])
  message('op-2', second)
  now += 500
  const remove = { command: 'rm -fr billing/old', description: 'Remove the old folder' }
  const wish = replyStream({
    model,
    text: 'There is an old folder; I remove it.',
    tool,
    input: remove,
    id: 'toolu_02',
  })
  const refusal =
    '[Countersign refused Bash: deleting folders is for people (decision decision-op-2-tool).]'
  const instead = replyStream({
    model,
    text: 'There is an old folder; I remove it.',
    notice: refusal,
  })
  const wished = now
  stream('op-2', 'received', wish, 60, wished)
  now += 25
  decide('decision', {
    id: 'op-2-tool',
    parent_id: 'op-2',
    action: 'anthropic.tool_use',
    connection: 'claude',
    resource: ['anthropic.tool', tool],
    effect: 'deny',
    rules: [['no_recursive_delete', fill('reason', 'Deleting folders is for people.')]],
    refused: 'denied',
    body: Buffer.from(JSON.stringify(remove)),
  })
  stream('op-2', 'delivered', instead, 60, wished + 90)
  end('op-2', 'completed', { status: 200, bytes_in: 900, bytes_out: 820 })

  // An HTTP call that waits for two people, longer than a replay waits.
  now += 2500
  const approval = {
    approval_id: 'approval-1',
    requester: SUBJECT,
    connection: 'customers',
    action: 'http.request',
    operation_id: 'op-3',
    decision_id: 'decision-op-3',
    revision: REVISION,
    approvers: ['finance'],
    count: 2,
    action_commitment: 'ef'.repeat(32),
  }
  const refund = Buffer.from(
    `{"customer":"c-17","amount_cents":120000000000000000001,"note":${JSON.stringify(fill('http body', 'refund of a double charge'))}}`,
  )
  const people = [
    { issuer: SUBJECT.issuer, type: 'user', id: fill('approver', 'olivia') },
    { issuer: SUBJECT.issuer, type: 'user', id: 'omar' },
  ]
  add(
    { kind: 'approval', event: 'demanded', ...approval },
    {
      record: {
        action: {
          type: 'http.request',
          connection: 'customers',
          method: 'POST',
          target: '/refunds',
          headers: [],
          body: { text: refund.toString() },
        },
      },
    },
  )
  now += 41_000
  add({ kind: 'approval', event: 'voted', ...approval, by: people[0], approve: true })
  now += 23_000
  add({ kind: 'approval', event: 'voted', ...approval, by: people[1], approve: true })
  add({ kind: 'approval', event: 'approved', ...approval })
  now += 300
  add({ kind: 'approval', event: 'consumed', ...approval })
  decide('intent', {
    id: 'op-3',
    action: 'http.request',
    connection: 'customers',
    resource: ['http.path', '/refunds'],
    effect: 'approve',
    rules: [['refunds_need_two', 'Refunds need two people of finance.']],
    approval_id: 'approval-1',
    method: 'POST',
    target: '/refunds',
    headers: [
      ['content-type', 'application/json'],
      ['x-trace', fill('http header', 'abc-123')],
    ],
    body: refund,
    asked_before_ms: 64_320,
  })
  now += 210
  const receipt = Buffer.from(
    JSON.stringify({ id: 'r-9', state: 'booked', to: fill('reply body', 'Grace Hopper') }),
  )
  stream('op-3', 'received', [receipt], 0)
  now += 3
  stream('op-3', 'delivered', [receipt], 0)
  end('op-3', 'completed', { status: 201, bytes_in: receipt.length, bytes_out: receipt.length })

  // Refused before anything went out.
  now += 900
  decide('decision', {
    id: 'op-4',
    action: 'http.request',
    connection: 'customers',
    resource: ['http.path', '/customers'],
    effect: 'deny',
    rules: [['default_deny', 'No grant allows this.']],
    refused: 'denied',
    method: 'DELETE',
    target: fill('refused path', '/customers?all=yes'),
    headers: [],
  })

  // A reply that is cut; a body that is no text and is recorded up to a limit; content that was erased.
  now += 3000
  message('op-5', ask('Export everything.'))
  now += 400
  const long = replyStream({
    model,
    text: 'Here is everything that I know about our customers, one by one.',
  })
  stream('op-5', 'received', long.slice(0, 9), 70)
  stream(
    'op-5',
    'delivered',
    replyStream({
      model,
      text: 'Here is everything',
      notice: '[Countersign cut this reply: too many findings (decision decision-op-5).]',
    }),
    30,
  )
  end(
    'op-5',
    'cut',
    { status: 200, bytes_in: 700, bytes_out: 500 },
    { reason: fill('outcome reason', 'too many findings') },
  )

  now += 1500
  decide('intent', {
    id: 'op-6',
    action: 'http.request',
    connection: 'files',
    resource: ['http.path', '/logo.png'],
    rules: [['files_are_read', 'Files may be read.']],
    method: 'GET',
    target: '/logo.png',
    headers: [],
  })
  now += 90
  const png = Buffer.from(
    '89504e470d0a1a0a0000000d49484452000000100000001008060000001ff3ff61',
    'hex',
  )
  stream('op-6', 'received', [png], 0)
  stream('op-6', 'delivered', [png], 0, now, 12)
  end('op-6', 'completed', {
    status: 200,
    bytes_in: 90_000,
    bytes_out: 90_000,
    truncated: [{ direction: 'received', limit_bytes: 33 }],
  })

  now += 800
  decide('intent', {
    id: 'op-7',
    action: 'http.request',
    connection: 'customers',
    resource: ['http.path', '/customers/7'],
    rules: [['support_reads_customers', 'Support’s agents may read customers.']],
    unreadable: {
      code: 'erased',
      message: fill('unreadable', 'its key was deleted on 2026-03-05'),
    },
  })
  now += 60
  add({
    kind: 'admin',
    name: 'unmask',
    by: people[0],
    reason: fill('unmask reason', 'incident 12'),
    detail: { [fill('detail key', 'session')]: SESSION },
  })
  now += 30_000
  add({ kind: 'event', name: 'journal.recovered', detail: { open: 1 } })
  end('op-7', 'unknown')
  return steps
}

type Reply = {
  readonly model: string
  readonly thinking?: string
  readonly text: string
  /** A block of the gateway's own behind the text. */
  readonly notice?: string
  readonly tool?: string
  readonly input?: unknown
  readonly id?: string
}

/** A streamed reply of the Messages API, one event a piece. */
function replyStream(reply: Reply): Buffer[] {
  const event = (type: string, fields: object): Buffer =>
    encodeSse(type, JSON.stringify({ type, ...fields }))
  const out = [
    event('message_start', {
      message: { id: 'msg_1', type: 'message', role: 'assistant', model: reply.model, content: [] },
    }),
  ]
  let index = 0
  const block = (content_block: object, deltas: readonly object[]): void => {
    out.push(event('content_block_start', { index, content_block }))
    for (const delta of deltas) out.push(event('content_block_delta', { index, delta }))
    out.push(event('content_block_stop', { index }))
    index++
  }
  const cut = (text: string): readonly string[] => text.match(/.{1,14}/gsu) ?? []
  const { thinking, notice, tool } = reply
  if (thinking !== undefined) {
    const deltas = cut(thinking).map((one) => ({ type: 'thinking_delta', thinking: one }))
    block({ type: 'thinking', thinking: '', signature: '' }, deltas)
  }
  block(
    { type: 'text', text: '' },
    cut(reply.text).map((text) => ({ type: 'text_delta', text })),
  )
  if (notice !== undefined)
    block({ type: 'text', text: '' }, [{ type: 'text_delta', text: notice }])
  if (tool !== undefined) {
    block(
      { type: 'tool_use', id: reply.id, name: tool, input: {} },
      cut(JSON.stringify(reply.input)).map((partial_json) => ({
        type: 'input_json_delta',
        partial_json,
      })),
    )
  }
  const stop_reason = tool === undefined ? 'end_turn' : 'tool_use'
  out.push(event('message_delta', { delta: { stop_reason }, usage: { output_tokens: 42 } }))
  out.push(event('message_stop', {}))
  return out
}

/** Steps as a page or the terminal takes them. */
export async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}
