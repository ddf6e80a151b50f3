import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a writer process does. `token` names the variable that holds its token. */
export type Job =
  | {
      readonly kind: 'ship'
      readonly pep: string
      readonly url: string
      readonly token: string
      readonly steps: number
    }
  | {
      readonly kind: 'pace'
      readonly pep: string
      readonly url: string
      readonly token: string
      readonly steps_per_s: number
      /** Before what is measured. */
      readonly warm_up_s: number
      readonly seconds: number
    }
  | {
      readonly kind: 'plain'
      readonly pep: string
      readonly database: string
      readonly steps: number
    }

/** What came of it. Times of day, milliseconds since the epoch. */
export type Written = {
  /** Acknowledged. */
  frames: number
  started_ms: number
  ended_ms: number
  readonly batches_ms: number[]
  /** From a step's own time until its batch was acknowledged. */
  readonly step_to_ack_ms: number[]
  readonly errors: string[]
}

export type ToParent =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly written: Written }

/** Runs jobs at the same time, each in a process of its own: all begin when all are ready. @throws {Error} when one fails. */
export async function write(
  jobs: readonly Job[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Written[]> {
  const path = fileURLToPath(new URL('writer.ts', import.meta.url))
  const children = jobs.map((job) =>
    fork(path, [JSON.stringify(job)], { env: { ...process.env, ...env } }),
  )
  try {
    await Promise.all(children.map((child) => message(child, 'ready')))
    const done = children.map((child) => message(child, 'done'))
    for (const child of children) child.send('go')
    const all = (await Promise.all(done)).map(({ written }) => written)
    const errors = all.flatMap(({ errors }) => errors)
    if (errors.length > 0) throw new Error(`${errors.length} batches failed: ${errors[0]}`)
    return all
  } finally {
    for (const child of children) if (child.exitCode === null) child.kill('SIGTERM')
  }
}

/** Steps a second of all together, from the first start to the last end. */
export function rateOf(all: readonly Written[]): number {
  const frames = all.reduce((sum, one) => sum + one.frames, 0)
  const began = Math.min(...all.map(({ started_ms }) => started_ms))
  const ended = Math.max(...all.map(({ ended_ms }) => ended_ms))
  return (frames / (ended - began)) * 1000
}

function message<K extends ToParent['kind']>(
  child: ChildProcess,
  kind: K,
): Promise<Extract<ToParent, { kind: K }>> {
  return new Promise((resolve, reject) => {
    const onEnd = (): void => reject(new Error('a writer ended too early'))
    const onMessage = (told: unknown): void => {
      const found = told as ToParent
      if (found.kind !== kind) return
      child.off('disconnect', onEnd)
      child.off('message', onMessage)
      resolve(found as Extract<ToParent, { kind: K }>)
    }
    // Unlike `exit`, this comes behind all that the process said.
    child.once('disconnect', onEnd)
    child.on('message', onMessage)
  })
}
