import { backtest } from './backtest.ts'
import { append } from './evidence/append.ts'
import { proofs } from './evidence/proofs.ts'
import { startServer } from './evidence/service.ts'
import type { Report } from './report.ts'

/** The log: how fast it takes steps, proves and is verified; what recorded decisions cost again; and what sealing costs. */
export async function evidence(
  report: Report,
  options: { readonly leaves: number },
): Promise<void> {
  const server = await startServer()
  try {
    await append(report, server)
    await proofs(report, server, options.leaves)
  } finally {
    await server.stop()
  }
  await backtest(report)
}
