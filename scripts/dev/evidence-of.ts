import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Approver } from './approver.ts'
import type { Instance } from './instance.ts'

const run = promisify(execFile)
const cli = join(import.meta.dirname, '..', 'countersign.ts')

/**
 * Writes what an instance has on record into a folder, with the commands that people use: the newest session as a page and
 * as the terminal shows it, the report, the export with the key and a checkpoint to verify it by, and the decisions for a backtest.
 */
export async function writeEvidence(
  { pdp }: Instance,
  { token, get }: Approver,
  out: string,
): Promise<readonly string[]> {
  await mkdir(out, { recursive: true })
  const countersign = (...args: readonly string[]) =>
    run(process.execPath, [cli, ...args, '--pdp', pdp], {
      env: { ...process.env, COUNTERSIGN_TOKEN: token },
      maxBuffer: 64 * 1024 * 1024,
    })
  const path = (name: string): string => join(out, name)
  const { sessions } = (await get('/v1/sessions?limit=1')) as {
    readonly sessions: readonly { readonly id: string }[]
  }
  const session = sessions[0]?.id ?? ''
  await countersign('sessions', 'replay', session, '--html', path('session.html'))
  const played = await countersign('sessions', 'replay', session, '--speed', '0')
  await writeFile(path('session.txt'), played.stdout)
  await countersign('evidence', 'export', '--out', path('evidence.jsonl.gz'))
  const status = (await get('/v1/evidence')) as { readonly keys: readonly string[] }
  await writeFile(path('log.vkey'), `${status.keys[0] ?? ''}\n`)
  const anchor = await countersign('evidence', 'checkpoint')
  await writeFile(path('anchor.txt'), anchor.stdout)
  await countersign('evidence', 'report', '--html', path('report.html'))
  const reason = ['--reason', 'the demo’s own traffic']
  await countersign('evidence', 'decisions', '--out', path('decisions.jsonl.gz'), ...reason)
  // As a stranger would verify it.
  const given = ['--key', path('log.vkey'), '--anchor', path('anchor.txt')]
  const args = [cli, 'evidence', 'verify', path('evidence.jsonl.gz'), ...given]
  const { stdout } = await run(process.execPath, args)
  return stdout.trim().split('\n')
}
