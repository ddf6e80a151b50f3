import { Command } from 'commander'
import { checkpointCommand } from './checkpoint.ts'
import { decisionsCommand } from './decisions.ts'
import { eraseCommand } from './erase.ts'
import { exportCommand } from './export.ts'
import { holdsCommand } from './holds.ts'
import { proofCommand } from './proof.ts'
import { reportCommand } from './report.ts'
import { resumeCommand } from './resume.ts'
import { retentionCommand } from './retention.ts'
import { statusCommand } from './status.ts'
import { verifyCommand } from './verify.ts'

/** `countersign evidence …`: the log that nobody can change unseen, and what it tells of. */
export function evidenceCommand(): Command {
  const evidence = new Command('evidence').description(
    'the record: export, verify, report, retention, erasure',
  )
  for (const command of [
    statusCommand(),
    checkpointCommand(),
    exportCommand(),
    verifyCommand(),
    proofCommand(),
    decisionsCommand(),
    reportCommand(),
    retentionCommand(),
    eraseCommand(),
    holdsCommand(),
    resumeCommand(),
  ])
    evidence.addCommand(command)
  return evidence
}
