import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Anthropic from '@anthropic-ai/sdk'
import { type Approver, logInApprover } from './dev/approver.ts'
import { writeEvidence } from './dev/evidence-of.ts'
import { type Instance, startInstance } from './dev/instance.ts'

/*
 * Plays what the gateway is for against an instance of its own: allow, deny, mask, approval.
 *
 *   npm run demo [-- --json] [--out folder]      exits 1 when anything differs from what it should be
 *
 * With --out it also writes what is on record then: a replay as a page, an export with key and anchor, decisions.
 */

type Step = {
  readonly step: string
  /** What the agent asked. */
  readonly asked: string
  /** What it got. */
  readonly came: string
  /** What reached the upstream, which here is a local stand-in. */
  readonly upstream_saw: string
  /** What is not as it should be. */
  readonly wrong: readonly string[]
}

type Stage = {
  readonly instance: Instance
  readonly approver: Approver
  readonly token: string
  readonly claude: Anthropic
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, out: { type: 'string' } } })
const { json = false, out } = values
const folder = await mkdtemp(join(tmpdir(), 'countersign-demo-'))
let failed = false
try {
  if (!json) console.log('Starting an instance with local stand-ins for Claude and customers …')
  const instance = await startInstance({ folder })
  try {
    const stage = await set(instance)
    for (const play of [allow, deny, denyToolCall, mask, maskStream, approval]) {
      const step = await play(stage)
      failed ||= step.wrong.length > 0
      print(step)
    }
    if (out !== undefined) {
      const verified = await writeEvidence(instance, stage.approver, out)
      if (!json) console.log([`\nOn record, in ${out}:`, ...verified].join('\n'))
    }
  } finally {
    await instance.close()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
if (!json) console.log(failed ? '\nSomething differs.' : '\nAll as it should be.')
process.exitCode = failed ? 1 : 0

async function set(instance: Instance): Promise<Stage> {
  const token = await instance.agentToken()
  const approver = await logInApprover({ ...instance, name: 'olivia.operator' })
  const claude = new Anthropic({
    baseURL: `${instance.pep}/claude`,
    authToken: token,
    apiKey: null,
    maxRetries: 0,
  })
  return { instance, approver, token, claude }
}

async function allow(stage: Stage): Promise<Step> {
  const body = { name: 'Dan Demo', email: 'dan@example.com' }
  const { status, upstream, text } = await customers(stage, 'POST', '/customers', body)
  const key = stage.instance.stand_ins.customers.credential
  return {
    step: 'allow',
    asked: `POST /customers ${JSON.stringify(body)}`,
    came: `${status} ${text}`,
    upstream_saw: upstream.map(({ method, target }) => `${method} ${target}`).join(', '),
    wrong: wrong({
      'it is not created': status !== 201,
      'the upstream did not see it once': upstream.length !== 1,
      'the upstream did not get the injected credential': !sent(upstream, key.header, key.value),
      'the agent’s token reached the upstream': JSON.stringify(upstream).includes(stage.token),
    }),
  }
}

async function deny(stage: Stage): Promise<Step> {
  const { status, upstream, text } = await customers(stage, 'GET', '/admin/export')
  return {
    step: 'deny',
    asked: 'GET /admin/export',
    came: `${status} ${text}`,
    upstream_saw: seen(upstream),
    wrong: wrong({
      'it is not refused': status !== 403,
      'the refusal names no decision': !text.includes('decision_id'),
      'it reached the upstream': upstream.length > 0,
    }),
  }
}

async function denyToolCall(stage: Stage): Promise<Step> {
  const { message, deltas } = await ask(stage, 'Please clean up.')
  const tools = message.content.filter(({ type }) => type === 'tool_use')
  return {
    step: 'deny a tool call',
    asked: '“Please clean up.”, to which Claude answers with Bash: rm -fr …',
    came: `${deltas} (stop_reason ${message.stop_reason})`,
    upstream_saw: 'the message; its tool call did not get past the gateway',
    wrong: wrong({
      'the tool call got through': tools.length > 0 || message.stop_reason !== 'end_turn',
      'the refusal is not told': !deltas.includes('Countersign refused the tool call Bash'),
    }),
  }
}

async function mask(stage: Stage): Promise<Step> {
  const { status, text, upstream } = await customers(stage, 'GET', '/customers/c-1')
  return {
    step: 'mask',
    asked: 'GET /customers/c-1',
    came: `${status} ${text}`,
    upstream_saw: seen(upstream),
    wrong: wrong({
      'it is not answered': status !== 200,
      'an address came through': text.includes('ada.example@'),
      'a social security number came through': text.includes('219-09-9999'),
      'a card number came through': text.includes('4242 4242 4242 4242'),
      'what is no secret is gone': !text.includes('Ada Example'),
    }),
  }
}

async function maskStream(stage: Stage): Promise<Step> {
  const { deltas, message } = await ask(stage, 'Who is my contact?')
  return {
    step: 'mask a stream',
    asked: '“Who is my contact?”, answered with an address and a number split over deltas',
    came: deltas,
    upstream_saw: 'the message',
    wrong: wrong({
      'an address came through': deltas.includes('ada.lovelace@'),
      'a social security number came through': deltas.includes('219-09-9999'),
      'the rest is gone': !deltas.includes('you reach Ada at'),
      'the turn did not end': message.stop_reason !== 'end_turn',
    }),
  }
}

async function approval(stage: Stage): Promise<Step> {
  const mark = stage.instance.stand_ins.customers.received().length
  const asked = customers(stage, 'DELETE', '/customers/c-2')
  const waiting = await stage.approver.waitFor(({ action }) =>
    JSON.stringify(action).includes('/customers/c-2'),
  )
  const early = stage.instance.stand_ins.customers.received().length - mark
  await stage.approver.approve(waiting)
  const { status, upstream } = await asked
  const left = await stage.approver.pending()
  return {
    step: 'approval',
    asked: 'DELETE /customers/c-2, which olivia.operator approves while it waits',
    came: `${status}`,
    upstream_saw: seen(upstream),
    wrong: wrong({
      'it was forwarded before it was approved': early > 0,
      'it did not go on': status !== 204,
      'it was not forwarded exactly once': upstream.length !== 1,
      'the approval is still open': left.some(({ id }) => id === waiting.id),
    }),
  }
}

type Upstream = ReturnType<Instance['stand_ins']['customers']['received']>

/** Sends a request to the connection `customers`, and says what its upstream received meanwhile. */
async function customers(stage: Stage, method: string, path: string, body?: unknown) {
  const { received } = stage.instance.stand_ins.customers
  const before = received().length
  const response = await fetch(`${stage.instance.pep}/customers${path}`, {
    method,
    headers: {
      authorization: `Bearer ${stage.token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  })
  const text = await response.text()
  return { status: response.status, text, upstream: received().slice(before) }
}

/** Asks Claude, streaming, with a Bash tool on offer. */
async function ask(stage: Stage, content: string) {
  let deltas = ''
  const message = await stage.claude.messages
    .stream({
      model: 'claude-sonnet-5-5',
      max_tokens: 500,
      messages: [{ role: 'user', content }],
      tools: [
        {
          name: 'Bash',
          description: 'Runs a command.',
          input_schema: { type: 'object', properties: { command: { type: 'string' } } },
        },
      ],
    })
    .on('text', (delta) => (deltas += delta))
    .finalMessage()
  return { deltas, message }
}

function sent(upstream: Upstream, header: string, value: string): boolean {
  return upstream.every(({ headers }) =>
    headers.some(([name, is]) => name === header && is === value),
  )
}

function seen(upstream: Upstream): string {
  return upstream.map(({ method, target }) => `${method} ${target}`).join(', ') || 'nothing'
}

function wrong(checks: Readonly<Record<string, boolean>>): string[] {
  return Object.entries(checks).flatMap(([problem, holds]) => (holds ? [problem] : []))
}

function print(step: Step): void {
  if (json) {
    console.log(JSON.stringify({ ...step, ok: step.wrong.length === 0 }))
    return
  }
  console.log(`\n${step.wrong.length === 0 ? 'ok  ' : 'FAIL'}  ${step.step}`)
  console.log(`      asked     ${step.asked}`)
  console.log(`      came      ${step.came}`)
  console.log(`      upstream  ${step.upstream_saw}`)
  for (const problem of step.wrong) console.log(`      wrong     ${problem}`)
}
