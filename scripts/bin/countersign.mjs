#!/usr/bin/env node
// The command runs TypeScript as it is, which needs a newer Node than the host may have: npm brought one along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const own = join(root, 'node_modules', '.bin', 'node')
const current = Number(process.versions.node.split('.')[0]) >= 26 ? process.execPath : own
if (current === own && !existsSync(own)) {
  console.error(
    `countersign needs Node 26; this is ${process.version}. Run npm ci in ${root}, or install Node 26.`,
  )
  process.exit(1)
}
const script = join(root, 'scripts', 'countersign.ts')
const child = spawn(current, [script, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = signal ? 1 : (code ?? 1)
})
