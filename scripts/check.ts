import { spawn } from 'node:child_process'
import { cruiseDirections } from './directions.ts'

/** `npm run check`: every static check, one line each; the output of those that fail follows. */

type Check = { readonly name: string; readonly run: () => Promise<{ ok: boolean; detail: string }> }

function command(name: string, file: string, args: readonly string[]): Check {
  return {
    name,
    run: () =>
      new Promise((resolve) => {
        const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
        const output: Buffer[] = []
        child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
        child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
        // A tool that cannot be started is a check that failed.
        child.on('error', (error) => resolve({ ok: false, detail: String(error) }))
        child.on('close', (code) =>
          resolve({ ok: code === 0, detail: code === 0 ? '' : Buffer.concat(output).toString() }),
        )
      }),
  }
}

const directions: Check = {
  name: 'directions',
  run: async () => {
    const { cruised, violations } = await cruiseDirections()
    const detail = `${cruised} modules cruised`
    return violations.length === 0
      ? { ok: true, detail }
      : { ok: false, detail: [detail, ...violations].join('\n') }
  },
}

const checks: readonly Check[] = [
  command('types', 'tsc', ['--noEmit']),
  // What runs in a browser has its globals, and not all of Node's.
  command('types, page', 'tsc', ['--noEmit', '--project', 'test/browser']),
  command('lint', 'oxlint', ['--deny-warnings']),
  command('format', 'oxfmt', ['--check']),
  directions,
  command('unused', 'knip', []),
]

let failed = 0
for (const check of checks) {
  const started = performance.now()
  const { ok, detail } = await check.run()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const [first = '', ...rest] = detail.trim().split('\n')
  console.log(
    `${ok ? 'ok  ' : 'FAIL'} ${check.name.padEnd(11)} ${seconds.padStart(5)} s  ${ok ? first : ''}`,
  )
  if (!ok) {
    failed += 1
    console.log([first, ...rest].map((line) => `     ${line}`).join('\n'))
  }
}
process.exitCode = failed === 0 ? 0 : 1
