import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { readArchive } from '../pdp/bundle/archive.ts'
import type { Opa } from './opa.ts'

const MOST_UNPACKED_BYTES = 256 * 1024 * 1024

/** The rules do not compile; the message is OPA's own, with file, line and column. */
export class RegoError extends Error {}

/**
 * Compiles rules to WebAssembly. They are compiled in a folder of their own, so that the module names its files the
 * same wherever they came from.
 * @param files rules by path, `a/b.rego`.
 * @param capabilities path of a file that says what may be called.
 * @param entrypoints paths of documents, `a/b/c` for `data.a.b.c`.
 * @throws {RegoError}
 */
export async function compileRego(
  opa: Opa,
  files: ReadonlyMap<string, string | Uint8Array>,
  entrypoints: readonly string[],
  capabilities?: string,
): Promise<Uint8Array> {
  return withRego(files, async (rules) => {
    const target = join(rules, '..', 'opa.tar.gz')
    // Never -O: it takes data that is loaded later as undefined, and a deny becomes an allow.
    const flags = ['--target', 'wasm', ...entrypoints.flatMap((path) => ['--entrypoint', path])]
    if (capabilities !== undefined) flags.push('--capabilities', resolve(capabilities))
    const args = ['build', ...flags, '--output', target, ...[...files.keys()].sort()]
    const built = await opa.run(args, { cwd: rules })
    if (built.code !== 0) throw new RegoError((built.stderr || built.stdout).trim())
    const wasm = readArchive(await readFile(target), MOST_UNPACKED_BYTES).get('policy.wasm')
    if (!wasm) throw new RegoError('opa build made no policy.wasm')
    return wasm
  })
}

type Checked = {
  readonly errors?: readonly {
    readonly message: string
    readonly code: string
    readonly location?: { readonly file: string; readonly row: number; readonly col: number }
  }[]
}

/**
 * What OPA has against these files, a line each with file, line and column, which its other commands do not tell.
 * @returns `undefined` when it finds nothing.
 */
export function regoErrors(
  opa: Opa,
  files: ReadonlyMap<string, string | Uint8Array>,
  capabilities?: string,
): Promise<string | undefined> {
  return withRego(files, async (rules) => {
    const limits = capabilities === undefined ? [] : ['--capabilities', resolve(capabilities)]
    const { stdout, stderr } = await opa.run(['check', '--format', 'json', ...limits, '.'], {
      cwd: rules,
    })
    let checked: Checked
    try {
      checked = JSON.parse(stderr || stdout) as Checked
    } catch {
      return undefined
    }
    const lines = (checked.errors ?? []).map(({ message, code, location }) =>
      location
        ? `${location.file}:${location.row}:${location.col}: ${code}: ${message}`
        : `${code}: ${message}`,
    )
    return lines.length === 0 ? undefined : lines.join('\n')
  })
}

/** Gives `use` a folder with these files and no others, and removes it. */
export async function withRego<T>(
  files: ReadonlyMap<string, string | Uint8Array>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-rego-'))
  try {
    const rules = join(folder, 'rules')
    await mkdir(rules)
    for (const [name, content] of files) {
      await mkdir(dirname(join(rules, name)), { recursive: true })
      await writeFile(join(rules, name), content)
    }
    return await use(rules)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
