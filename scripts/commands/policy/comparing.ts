import { CommandError } from '../output.ts'
import { Option } from 'commander'

/** A bar on a terminal; little is done before anybody could look. */
export function progress(done: number, total: number): void {
  if (!process.stderr.isTTY || total < 500) return
  const filled = Math.round((30 * done) / total)
  process.stderr.write(
    `\r${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${done}/${total}${done === total ? '\n' : ''}`,
  )
}

export type FailOn = 'none' | 'change' | 'new-allow'

export const failOnOption = (): Option =>
  new Option('--fail-on <what>', 'exit with 1')
    .choices(['none', 'change', 'new-allow'])
    .default('none')

/** @throws {CommandError} when more decisions change than may. */
export function failOn(
  what: FailOn,
  found: { readonly changes: number; readonly newAllows: number },
): void {
  const bad = { none: 0, change: found.changes, 'new-allow': found.newAllows }[what]
  if (bad > 0) throw new CommandError('failed', `${bad} decisions change`)
}
