import type { Case } from './case.ts'
import type { Client } from './client.ts'
import { judge, type Verdict } from './judge.ts'
import { promptFor, type StandIn } from './upstream.ts'

export type Judged = { readonly case: Case; readonly verdict: Verdict }

let requests = 0

/** A name for one request, in letters: numbers could be taken for something to mask. */
export function requestName(): string {
  let name = ''
  for (let rest = (requests += 1); rest > 0; rest = Math.floor(rest / 16))
    name += String.fromCharCode(97 + (rest % 16))
  return name
}

/** Asks for one case and judges what comes. */
export async function runCase(one: Case, client: Client, standIn: StandIn): Promise<Verdict> {
  const request = requestName()
  const answer = await client.ask(promptFor(one.id, request))
  return judge(one, answer, standIn.wrote(request))
}

export type RunOptions = {
  /** Streams at once. */
  readonly concurrency: number
  readonly signal: AbortSignal
  readonly progress: (done: number, leaked: number) => void
}

/** Runs the cases, several at once; they come back in their order. */
export async function runCases(
  cases: readonly Case[],
  client: Client,
  standIn: StandIn,
  { concurrency, signal, progress }: RunOptions,
): Promise<readonly Judged[]> {
  const judged: Judged[] = []
  let next = 0
  let done = 0
  let leaked = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < cases.length; at = next++) {
      signal.throwIfAborted()
      const one = cases[at]
      if (!one) return
      const verdict = await runCase(one, client, standIn)
      judged[at] = { case: one, verdict }
      done += 1
      if (verdict.leaked !== undefined) leaked += 1
      progress(done, leaked)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return judged
}
