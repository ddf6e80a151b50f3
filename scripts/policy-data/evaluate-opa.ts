import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunOpa } from '../opa.ts'

/** @returns the policy's own `.rego` files, without tests, sorted. */
export async function regoFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  return names
    .filter((name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
    .sort()
    .map((name) => join(folder, name))
}

/** Gives `use` a temporary file with this JSON, and removes it. */
export async function withJsonFile<T>(
  content: unknown,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-policy-'))
  try {
    const path = join(folder, 'data.json')
    await writeFile(path, JSON.stringify(content))
    return await use(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Decides all inputs in one `opa eval`.
 * @param data prepared data, as `prepareData` returns it.
 * @returns one verdict for each input; `undefined` where OPA has none.
 * @throws {Error} with what OPA says, when it fails.
 */
export async function decideWithOpa(
  opa: RunOpa,
  source: { readonly folder: string; readonly data: Readonly<Record<string, unknown>> },
  inputs: readonly unknown[],
): Promise<unknown[]> {
  const files = await regoFiles(source.folder)
  const query =
    '{at: verdict | some at, request in data.requests; verdict := data.countersign.decision.decision with input as request}'
  return withJsonFile({ ...source.data, requests: inputs }, async (path) => {
    const loads = [path, ...files].flatMap((file) => ['--data', file])
    const { code, stdout, stderr } = await opa(['eval', '--format', 'json', ...loads, query])
    if (code !== 0) throw new Error(`opa eval failed: ${stderr || stdout}`)
    const answer = JSON.parse(stdout) as {
      result?: [{ expressions: [{ value: Record<string, unknown> }] }]
    }
    const verdicts = answer.result?.[0].expressions[0].value ?? {}
    return inputs.map((_, at) => verdicts[at])
  })
}
