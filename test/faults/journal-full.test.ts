import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { withFolder } from '../../pep/journal/testing.ts'

const script = join(import.meta.dirname, 'journal-full.ts')

type Report = {
  accepted: string[]
  refused: string[]
  codes: string[]
  ended: string
  stayedFull: boolean
  onDisk: string[]
  findings: string[]
  events: string[]
}

async function shell(command: string, ...args: string[]): Promise<Report> {
  const { stdout } = await promisify(execFile)('bash', ['-ec', command, 'bash', ...args])
  return JSON.parse(stdout) as Report
}

/** What must hold however room ran out. */
function expectNothingPretended(report: Report): void {
  const { accepted, refused, onDisk } = report
  expect(report.codes).toEqual(['PEP_JOURNAL'])
  expect(report.ended).toBe('refused')
  expect(accepted.length).toBeGreaterThan(20)
  expect(accepted).toContain('after')
  expect(refused).toContain('while-full')
  const intents = onDisk.filter((line) => line.startsWith('intent ')).map((line) => line.slice(7))
  expect(intents).toEqual(accepted)
  expect(report.findings).toEqual([])
  expect(onDisk).toContain('event journal.reopened')
  expect(onDisk).toContain('under-way unknown')
  expect(report.events).toContain('journal.failed')
}

test('a file that may not grow any more refuses records, cuts the unfinished ones off and goes on in a new epoch', async () => {
  await withFolder(async (folder) => {
    // RLIMIT_FSIZE in KiB: a real write error in the middle of a group, on any machine.
    const report = await shell('ulimit -f 2048; exec "$@"', process.execPath, script, folder)
    expectNothingPretended(report)
  })
})

/** A file system of our own needs a mount namespace, which not every machine allows. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/tmp'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test.skipIf(!canMount())(
  'a full disk refuses records until there is room again, then goes on by itself',
  async () => {
    await withFolder(async (folder) => {
      const report = await shell(
        'exec unshare -rm bash -ec \'mount -t tmpfs -o size=8m none "$1"; exec "$2" "$3" "$1" "$1/ballast"\' bash "$@"',
        folder,
        process.execPath,
        script,
      )
      expectNothingPretended(report)
      expect(report.stayedFull).toBe(true)
    })
  },
)
