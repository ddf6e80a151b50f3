import { z } from 'zod'
import { CommandError } from '../commands/output.ts'
import { callPdp } from '../commands/pdp-api.ts'
import { readStep, type Step } from './step.ts'

const PAGE = 500

const page = z.object({
  id: z.string(),
  masked: z.boolean(),
  steps: z.array(z.unknown()),
  /** Index of the last leaf of a page that is not the last one. */
  next: z.number().optional(),
})
const granted = z.object({ unmask: z.number() })

export type Recorded = {
  /** The session's id, also where it was asked for by its label. */
  readonly id: string
  /** Whether values are masked for whoever asks. */
  readonly masked: boolean
  readonly steps: AsyncIterable<Step>
}

/**
 * Steps of a session, page by page as they are read.
 * @param reason asks for raw bodies, which policy has to allow and which is put on record.
 * @throws {CommandError}
 */
export async function fetchSteps(
  pdp: string,
  session: string,
  reason: string | undefined,
): Promise<Recorded> {
  const base = `/v1/sessions/${encodeURIComponent(session)}`
  const grant = reason === undefined ? undefined : await unmask(pdp, base, reason)
  const pageAfter = async (after?: number): Promise<z.infer<typeof page>> => {
    const query = new URLSearchParams({
      limit: String(PAGE),
      ...(after !== undefined && { after: String(after) }),
      ...(grant !== undefined && { unmask: String(grant) }),
    })
    const answer = page.safeParse(
      await callPdp<unknown>(pdp, 'GET', `${base}/steps?${query.toString()}`),
    )
    if (answer.success) return answer.data
    throw new CommandError('failed', 'the decision service answered other than with steps')
  }
  const first = await pageAfter()
  // Fail closed: a reader who asked for what was really there is not shown something else as if it were that.
  if (reason !== undefined && first.masked)
    throw new CommandError('refused', 'the service still masks; raw was not granted')
  return { id: first.id, masked: first.masked, steps: steps() }

  async function* steps(): AsyncGenerator<Step> {
    for (let page = first; ;) {
      yield* page.steps.map(readStep)
      const { next } = page
      if (next === undefined) return
      page = await pageAfter(next)
      if (page.next === next)
        throw new CommandError('failed', 'the decision service answers the same page again')
    }
  }
}

/** @returns the unmasking, to be named with each page: the index of the leaf that has it on record. */
async function unmask(pdp: string, base: string, reason: string): Promise<number> {
  const answer = await callPdp<unknown>(pdp, 'POST', `${base}/unmask`, { reason })
  return granted.parse(answer).unmask
}
