import { backtest } from './backtest.ts'
import { append } from './evidence/append.ts'
import { proofs } from './evidence/proofs.ts'
import { checkSealing, sealing } from './evidence/sealing.ts'
import { startServer } from './evidence/service.ts'
import type { Report } from './report.ts'

/**
 * The log: how fast it takes steps, proves and is verified; what recorded decisions cost again; what sealing costs.
 * @param options `leaves`: of the log that proofs are made from.
 */
export async function evidence(
  report: Report,
  options: { readonly leaves: number },
): Promise<void> {
  checkSealing()
  const server = await startServer()
  try {
    await append(report, server)
    await proofs(report, server, options.leaves)
  } finally {
    await server.stop()
  }
  await backtest(report)
  await sealing(report)
}
