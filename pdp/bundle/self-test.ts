import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Engine } from '../engine/engine.ts'
import { BundleError } from './errors.ts'

/**
 * Cases that a bundle brings along, `self-test.json`: what OPA answered when it was built. Activation asks the engine
 * the same, so that a policy which this host would decide otherwise never goes live.
 */
export const selfTestCases = z.array(
  z.strictObject({
    description: z.string(),
    entrypoint: z.string(),
    input: z.unknown(),
    /** The whole document; absent: undefined. */
    want: z.unknown().optional(),
  }),
)

export type SelfTestCase = z.infer<typeof selfTestCases>[number]

/**
 * Also asks every entrypoint about an empty request: no answer is an answer, a failure is not.
 * @throws {BundleError} BUNDLE_SELF_TEST
 */
export function selfTest(engine: Engine, cases: readonly SelfTestCase[]): void {
  for (const entrypoint of engine.entrypoints) {
    const answer = engine.evaluate(entrypoint, {}, { time_ms: 0 })
    if (answer.ok) continue
    const { code, message } = answer.error
    throw new BundleError('BUNDLE_SELF_TEST', `${entrypoint} fails on {}: ${code} ${message}`)
  }
  for (const { description, entrypoint, input, want } of cases) {
    const answer = engine.evaluate(entrypoint, input)
    const got = answer.ok ? answer.value : answer.error
    if (answer.ok && isDeepStrictEqual(got, want)) continue
    throw new BundleError(
      'BUNDLE_SELF_TEST',
      `self-test.json: ${description}: want ${JSON.stringify(want)}, got ${JSON.stringify(got)}`,
    )
  }
}
