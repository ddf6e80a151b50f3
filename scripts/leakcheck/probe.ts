import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError, shown } from '../commands/output.ts'
import type { Case } from './case.ts'
import type { Answer, Client } from './client.ts'
import { block, messageEnd, messageStart, textDeltas } from './frames.ts'
import { requestName } from './run.ts'
import { scriptOf } from './script.ts'
import { promptFor, type StandIn } from './upstream.ts'

const EVERY_MS = 1000

/** A short reply, to see whether requests arrive at the stand-in. */
export const probeCase: Case = {
  id: 'probe',
  kind: 'probe',
  place: 'text',
  says: 'a greeting',
  script: scriptOf([
    messageStart,
    ...block(0, { type: 'text', text: '' }, textDeltas(['Hello.'])),
    ...messageEnd('end_turn'),
  ]),
  ends: 'message_stop',
}

/**
 * Waits until a request of ours arrives at the stand-in through the gateway.
 * @param say tells what to configure, each time something else comes back.
 * @throws {CommandError} `unreachable` when none did in time.
 */
export async function awaitGateway(
  client: Client,
  standIn: StandIn,
  wait_s: number,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + wait_s * 1000
  let before = ''
  for (;;) {
    signal.throwIfAborted()
    const request = requestName()
    const answer = await client.ask(promptFor(probeCase.id, request))
    if (standIn.wrote(request) !== undefined) {
      if (answer.status !== 0 && answer.status < 400) return
      throw new CommandError('failed', `the probe's reply came back as ${described(answer)}`)
    }
    const got = described(answer)
    const missing =
      `the probe did not arrive at the stand-in, the gateway answers: ${got}\n` +
      `configure the gateway's upstream for Anthropic as ${standIn.url}`
    if (performance.now() > until) throw new CommandError('unreachable', missing)
    if (got !== before) say(`${missing}; trying for ${wait_s} s`)
    before = got
    await sleep(EVERY_MS, undefined, { signal })
  }
}

function described({ status, body, failure }: Answer): string {
  if (status === 0) return failure ?? 'nothing'
  return shown(`HTTP ${status} ${body.toString('utf8').slice(0, 300)}`)
}
