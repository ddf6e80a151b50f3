import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { findOpa } from '../../opa.ts'
import { type Gateway, metric, startGateway } from '../gateway.ts'
import { startPeer } from '../nginx.ts'
import { gatewayConfig, gatewayEnv, loadOf } from '../pep.ts'
import { installed } from '../processes.ts'
import { remark, type Report } from '../report.ts'
import { answerBody, decisionInput } from '../workload.ts'
import { wrk } from '../wrk.ts'

const ROUNDS = 5
const SECONDS = 6

/** @throws {Error} when it cannot be measured here; to be asked before what takes minutes. */
export function checkSealing(): void {
  const missing = ['wrk', 'nginx'].filter((program) => !installed(program))
  if (missing.length > 0)
    throw new Error(
      `the evidence suite needs ${missing.join(' and ')}: apt-get install wrk nginx-light`,
    )
}

/** The gateway of the pep suite and the same that seals nothing, in turns. */
export async function sealing(report: Report): Promise<void> {
  const opa = await findOpa({ purpose: 'check' })
  if (!opa.ok) throw new Error(opa.error.message)
  const input = decisionInput('0'.repeat(64))
  const peer = await startPeer({ opa: opa.value.path, input, answer: answerBody })
  const gateways: Gateway[] = []
  try {
    for (const program of ['scripts/countersign.ts', 'scripts/bench/evidence/unsealed.ts'])
      gateways.push(
        await startGateway(await gatewayConfig(peer.upstream), { env: gatewayEnv, program }),
      )
    const rates: [number[], number[]] = [[], []]
    for (let round = 0; round <= ROUNDS; round += 1) {
      remark(
        `evidence: sealing, ${round === 0 ? 'warming up' : `round ${round} of ${ROUNDS}`}, load ${loadavg()[0]?.toFixed(1)}`,
      )
      for (const [side, gateway] of gateways.entries()) {
        const result = await wrk({ ...loadOf(gateway), seconds: SECONDS })
        if (result.errors > 0) throw new Error(`${result.errors} requests failed`)
        // What one side left behind must not cost the other.
        await shipped(gateway)
        if (round > 0) rates[side]?.push(result.requests_per_s)
      }
    }
    report({
      suite: 'evidence',
      metric: 'allowed POST, 1.9 KB, sealed',
      unit: 'requests/s',
      ours: rates[0],
      peer: rates[1],
      peer_name: 'the same unsealed',
      goal: 0.9,
    })
  } finally {
    for (const gateway of gateways) await gateway.stop()
    await peer.stop()
  }
}

async function shipped({ urls: { pep = '' } }: Gateway): Promise<void> {
  const deadline = performance.now() + 60_000
  while ((await metric(pep, 'countersign_journal_backlog_bytes')) !== 0) {
    if (performance.now() > deadline) throw new Error('the journal is not shipped')
    await sleep(100)
  }
}
