#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { approvalsCommand } from './commands/approvals.ts'
import { doctorCommand } from './commands/doctor.ts'
import { evidenceCommand } from './commands/evidence/index.ts'
import { loginCommand } from './commands/login.ts'
import { CommandError, exitCodes } from './commands/output.ts'
import { policyCommand } from './commands/policy/index.ts'
import { sessionsCommand } from './commands/sessions.ts'
import { startCommand } from './commands/start.ts'
import { tokenCommand } from './commands/token.ts'

/** The `countersign` command: one file a command in `commands/`. */

const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'),
) as { readonly version: string }

const program = new Command('countersign')
  .description('Decides, masks, holds for approval and records what AI agents reach.')
  .version(version)
  .showHelpAfterError('(see --help)')

for (const command of [
  startCommand(),
  tokenCommand(),
  loginCommand(),
  approvalsCommand(),
  sessionsCommand(),
  evidenceCommand(),
  policyCommand(),
  doctorCommand(),
]) {
  program.addCommand(command)
}

// Whoever reads no further, such as `| head`, ends a command, but never a gateway.
const [, , name] = process.argv
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && name === 'start') return
    process.exit(error.code === 'EPIPE' ? exitCodes.ok : exitCodes.failed)
  })
}

exitOverride(program)
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = exitOf(error)
}

/** Commander ends the process with 1 by itself; wrong arguments are 2 here. */
function exitOverride(command: Command): void {
  command.exitOverride()
  for (const one of command.commands) exitOverride(one)
}

function exitOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof CommandError) {
    process.stderr.write(`countersign: ${error.message}\n`)
    return exitCodes[error.exit]
  }
  process.stderr.write(`countersign: ${error instanceof Error ? error.message : String(error)}\n`)
  return exitCodes.failed
}
