import * as fc from 'fast-check'
import { parentPort, workerData } from 'node:worker_threads'
import { targets } from './catalogue.ts'
import { createShared } from './shared.ts'

/** Runs batches of one target each; the watcher ends it when one takes too long. */

export type Batch = { readonly target: string; readonly seed: number }
export type Done = Batch & {
  readonly finding?: { readonly input: unknown; readonly error: string; readonly path: string }
}

/** Longest that a batch goes on, with the making small of what it found. */
const BATCH_MS = 20_000

const shared = createShared((workerData as { readonly buffer: SharedArrayBuffer }).buffer)

async function run({ target: name, seed }: Batch): Promise<Done> {
  const target = targets.find((one) => one.name === name)
  if (target === undefined) throw new Error(`there is no target ${name}`)
  const property = fc.asyncProperty(target.input, async (input) => {
    shared.begin(input)
    await target.check(input)
  })
  const details = await fc.check(property, {
    seed,
    numRuns: target.runs,
    // Not an interrupt, which would let an input that never settles pass for one that was not tried.
    skipAllAfterTimeLimit: BATCH_MS,
  })
  shared.rest()
  const { counterexample, counterexamplePath: path, errorInstance: error } = details
  if (!details.failed || counterexample === null) return { target: name, seed }
  const finding = { input: counterexample[0], error: told(error), path: path ?? '' }
  return { target: name, seed, finding }
}

/** An error of ours by its message, any other with the place that it comes from. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const at = error.stack?.split('\n').find((line) => /\((?:file:|\/)/.test(line)) ?? ''
  return `${error.message}${
    error.constructor.name === 'Broken'
      ? ''
      : at
          .trim()
          .replace(/^at/, ' at')
          .replace(/\(.*\/(?=pep|scripts|node_modules)/, '(')
  }`
}

const serve = async (batch: Batch): Promise<void> => {
  parentPort?.postMessage(await run(batch), [])
}

parentPort?.on('message', (batch: Batch) => void serve(batch))
