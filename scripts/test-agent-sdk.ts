import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildBundle } from './build-bundle.ts'
import { type AgentSdk, type Answer, loadAgentSdk } from './dev/agent-sdk.ts'
import { type Approver, logInApprover } from './dev/approver.ts'
import { writeEvidence } from './dev/evidence-of.ts'
import { openPage } from './dev/open-page.ts'
import { type Instance, startInstance } from './dev/instance.ts'
import { startTap, type Tap, type Tapped } from './dev/tap.ts'
import { startSelf } from './leakcheck/self.ts'

/*
 * Runs the real Claude Agent SDK through a gateway of its own, in front of the stand-in for Claude.
 *
 *   npm run test:agent-sdk [-- --slow] [--out folder]     exits 1 when a check fails
 *
 * The policy is a copy of rego/ with one rule more: a message that holds a card number waits for approval. It waits
 * 2 s, so that the wait ends before the approval; with --slow the default of 50 s. With --out what is on record is
 * written there: the session as a page with screenshots, as text, an export.
 */

type Trial = {
  readonly instance: Instance
  readonly approver: Approver
  readonly ask: (prompt: string, signal?: AbortSignal) => Promise<Answer>
  readonly token: string
}

const { values } = parseArgs({ options: { slow: { type: 'boolean' }, out: { type: 'string' } } })
const { slow = false, out } = values
const wait_s = slow ? 50 : 2
const root = join(import.meta.dirname, '..')
const CARD = ['4242', '4242', '4242', '4242'].join(' ')
let failures = 0

const folder = await mkdtemp(join(tmpdir(), 'countersign-agent-sdk-'))
try {
  const sdk = await loadAgentSdk(join(root, '.countersign', 'agent-sdk'))
  console.log(
    `Claude Agent SDK ${sdk.version}, in front of the stand-in; approvals wait ${wait_s} s`,
  )
  const bundle = await buildPolicy(join(folder, 'policy'))
  const instance = await startInstance({ folder, bundle })
  try {
    const trial = await set(sdk, instance)
    const masked = await masksAcrossDeltas(trial)
    await keepsToolCalls(trial)
    credentials(trial)
    await session(trial, masked)
    await approvals(trial)
    await replay(trial, out ?? join(folder, 'out'))
    await untouched(sdk, instance)
  } finally {
    await instance.close()
  }
} catch (error) {
  failures += 1
  console.error(error)
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exitCode = failures > 0 ? 1 : 0

/** The default policy, and card numbers in messages wait for a person. */
async function buildPolicy(source: string): Promise<string> {
  await cp(join(root, 'rego'), source, { recursive: true })
  const path = join(source, 'data', 'approvals.yaml')
  const rule = `
- id: card_numbers
  message: A message with a card number needs a person's approval.
  connections: [claude]
  model: { names: ['*'] }
  findings: { credit_card: 1 }
  approvers: [approvers]
  wait_s: ${wait_s}
`
  await writeFile(path, (await readFile(path, 'utf8')) + rule)
  return (await buildBundle({ source, out: join(source, '..', 'policy.tar.gz') })).path
}

async function set(sdk: AgentSdk, instance: Instance): Promise<Trial> {
  const token = await instance.agentToken()
  const approver = await logInApprover({ ...instance, name: 'olivia.operator' })
  const home = join(folder, 'home')
  await mkdir(home)
  const gateway = { url: `${instance.pep}/claude`, token, folder: home, env: process.env }
  const ask: Trial['ask'] = (prompt, signal) =>
    sdk.ask(prompt, { ...gateway, ...(signal && { signal }) })
  return { instance, approver, token, ask }
}

/** Where policy masks nothing, a tap on each side of the gateway sees the same bytes. */
async function untouched(sdk: AgentSdk, { stand_ins }: Instance): Promise<void> {
  const { url, credential } = stand_ins.claude
  const behind = await startTap(new URL(url))
  const self = await startSelf(behind.url, { masked: false, credential: credential.value })
  const front = await startTap(self.target)
  try {
    const home = join(folder, 'untouched')
    await mkdir(home)
    for (const prompt of ['Please list.', 'Who is my contact?'])
      await sdk.ask(prompt, { url: front.url, token: self.token, folder: home, env: process.env })
    const messages = ({ exchanges }: Tap): Tapped[] =>
      exchanges.filter(({ target }) => target.startsWith('/v1/messages'))
    const [sent, came] = [messages(front), messages(behind)]
    const same = (part: 'asked' | 'answered'): boolean =>
      sent.length > 1 &&
      sent.length === came.length &&
      sent.every((one, at) => came[at] !== undefined && one[part].equals(came[at][part]))
    const sizes = sent.map(({ asked, answered }) => `${asked.length}/${answered.length}`).join(' ')
    check('what the SDK sends arrives byte by byte where policy allows', same('asked'), sizes)
    check('what Claude streams arrives byte by byte where policy allows', same('answered'), sizes)
  } finally {
    await front.close()
    await self.stop()
    await behind.close()
  }
}

async function masksAcrossDeltas({ ask }: Trial): Promise<Answer> {
  const answer = await ask('Who is my contact?')
  const all = JSON.stringify(answer)
  check('the SDK gets its answer', !answer.failed && answer.text.includes('you reach Ada at'), all)
  check(
    'an address split over deltas arrives masked, whole and streamed',
    !all.includes('ada.lovelace@') && answer.streamed.includes('you reach Ada at'),
    all,
  )
  check(
    'a social security number split over deltas arrives masked',
    !all.includes('219-09-9999'),
    all,
  )
  return answer
}

async function keepsToolCalls({ ask, instance }: Trial): Promise<void> {
  const listed = await ask('Please list.')
  check(
    'an allowed tool call reaches the SDK',
    listed.tools.join() === 'Bash',
    JSON.stringify(listed),
  )
  const before = received(instance).length
  const answer = await ask('Please clean up.')
  const all = JSON.stringify(answer)
  check('rm -fr never reaches the SDK as a tool call', answer.tools.length === 0, all)
  check(
    'its user reads that it was refused',
    answer.text.includes('Countersign refused the tool call Bash') && !answer.failed,
    all,
  )
  const results = received(instance)
    .slice(before)
    .filter(({ body }) => body.includes('"tool_result"'))
  check('no result of it goes back', results.length === 0, `${results.length} requests`)
}

function credentials({ instance, token }: Trial): void {
  const { header, value } = instance.stand_ins.claude.credential
  const all = received(instance)
  const one = all.every(({ headers }) => {
    const sent = headers.filter(([name]) => ['authorization', 'x-api-key', header].includes(name))
    return sent.length === 1 && sent[0]?.[0] === header && sent[0][1] === value
  })
  check('the upstream saw the injected credential and no other', one && all.length > 0, 'headers')
  check('the agent’s token never reached it', !JSON.stringify(all).includes(token), 'the token')
}

async function session({ approver }: Trial, answer: Answer): Promise<void> {
  const within = performance.now() + 15_000
  let labels: string[] = []
  do {
    const { sessions } = (await approver.get('/v1/sessions')) as {
      readonly sessions: readonly { readonly labels: readonly string[] }[]
    }
    labels = sessions.flatMap((session) => session.labels)
    if (labels.includes(answer.session)) break
    await pause(200)
  } while (performance.now() < within)
  const found = answer.session !== '' && labels.includes(answer.session)
  check(
    'the session is listed under the SDK’s own id',
    found,
    `${answer.session} in ${labels.join()}`,
  )
}

async function approvals({ instance, approver, ask }: Trial): Promise<void> {
  const prompt = `Say hello to the holder of ${CARD}.`
  const forwarded = () => received(instance).filter(({ body }) => body.includes(CARD))
  const running = ask(prompt)
  const waiting = await approver.waitFor(({ action }) => JSON.stringify(action).includes(CARD))
  await pause((wait_s + 1) * 1000)
  const before = forwarded().length
  check('it is held past the wait, and nothing is forwarded', before === 0, `${before} forwarded`)
  await approver.approve(waiting)
  const answer = await running
  const all = JSON.stringify(answer)
  check('approved late, the SDK tried again by itself', !answer.failed, all)
  check('it is released exactly once', forwarded().length === 1, `${forwarded().length} forwarded`)

  await holdsAgain('one changed character', prompt.replace('hello', 'hallo'))
  await holdsAgain('the same once more', prompt)

  async function holdsAgain(what: string, again: string): Promise<void> {
    const stop = new AbortController()
    const asked = ask(again, stop.signal).catch(() => undefined)
    const words = again.slice(0, 9)
    const held = await approver
      .waitFor(({ id, action }) => id !== waiting.id && JSON.stringify(action).includes(words))
      .catch(() => undefined)
    stop.abort()
    await asked
    const count = forwarded().length
    check(`${what} is held again`, held !== undefined && count === 1, `${count} forwarded`)
  }
}

/** What is on record plays as it was: masked, with the refused call, in a terminal and in a browser. */
async function replay({ instance, approver }: Trial, to: string): Promise<void> {
  await writeEvidence(instance, approver, to)
  const text = await readFile(join(to, 'session.txt'), 'utf8')
  check('it replays in the terminal', played(text), text)
  const page = await openPage(join(to, 'session.html'), join(to, 'session'))
  check('it replays as a page', played(page.text), page.text)
  check(
    'the page asks nobody for anything and has no error',
    page.bad.length === 0,
    page.bad.join(),
  )
}

function played(text: string): boolean {
  return (
    text.includes('Countersign refused the tool call Bash') &&
    text.includes('[REDACTED:us_ssn]') &&
    !text.includes('219-09-9999') &&
    !text.includes('ada.lovelace@')
  )
}

function received(instance: Instance) {
  return instance.stand_ins.claude.received()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function check(what: string, holds: boolean, found: string): void {
  if (!holds) failures += 1
  console.log(
    `${holds ? 'ok  ' : 'FAIL'}  ${what}${holds ? '' : `\n      found ${found.slice(0, 2000)}`}`,
  )
}
