import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { loadPolicy } from '../../pdp/policy/load.ts'
import { buildBundle } from '../build-bundle.ts'

/**
 * Builds the sources as they are now and loads the bundle as the service would.
 * @returns decides with our engine. @throws {Error} with what the engine says, when it cannot evaluate.
 */
export async function builtEngine(folders: {
  readonly data: string
}): Promise<(input: unknown) => unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-built-'))
  try {
    const out = join(folder, 'bundle.tar.gz')
    await buildBundle({ source: dirname(folders.data), out, cases: false })
    const loaded = await loadPolicy(out, { entrypoints: [DECISION_ENTRYPOINT] })
    if (!loaded.ok) throw loaded.error
    const { policy } = loaded.value
    return (input) => {
      const answer = policy.evaluate(DECISION_ENTRYPOINT, input)
      if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`)
      return answer.value
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
