import { isDeepStrictEqual } from 'node:util'
import type { BundleContents } from '../../pdp/bundle/bundle.ts'
import { BundleError } from '../../pdp/bundle/errors.ts'
import type { Verdict } from '../../pdp/contract/decision.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import { isFailure } from '../../pdp/decide/ask.ts'
import { approveObligation } from '../../pdp/decide/decide.ts'
import type { ActivePolicy } from '../../pdp/policy/policy.ts'
import { createDiverged } from './diverged.ts'
import { createEvaluator, decideAgain, inputFor } from './evaluate.ts'
import { createFactsUnder } from './facts.ts'
import { BacktestError, kindOf, readDecision, type Recorded } from './format.ts'
import { candidateIn, createPolicies } from './policies.ts'
import { numbered, type Source, survey, type Survey } from './read.ts'
import { createTally, type Report } from './report.ts'
import type { Undecidable } from './undecidable.ts'

export type BacktestOptions = {
  readonly candidate: BundleContents
  /** Only decisions from then on, milliseconds since the epoch. */
  readonly since_ms?: number
  /** Only decisions of this session. */
  readonly session?: string
  /** Most examples of each group. Default 3. */
  readonly examples?: number
  readonly onProgress?: (done: number, total: number) => void
}

/** Decisions between two reports of progress. */
const EVERY = 2000

/**
 * Evaluates recorded decisions again: under their own revision, which must give what is recorded, and under a candidate,
 * which is compared with what is live, the revision of the newest decision. Memory is bounded whatever their number.
 * @returns why not: the record is cut or not understood, or the candidate cannot be active.
 */
export async function backtest(
  source: Source,
  options: BacktestOptions,
): Promise<Result<Report, BacktestError | BundleError>> {
  try {
    return ok(await run(source, options))
  } catch (error) {
    if (error instanceof BacktestError || error instanceof BundleError) return err(error)
    throw error
  }
}

async function run(source: Source, options: BacktestOptions): Promise<Report> {
  const { since_ms = -Infinity, session, onProgress } = options
  const surveyed = await survey(source)
  const { judge, report } = createJudge(surveyed, options)
  let done = 0
  for await (const [line, at] of numbered(source)) {
    if (at === 1 || kindOf(line) !== 'decision') continue
    const recorded = readDecision(line, at)
    const wanted =
      recorded.time_ms >= since_ms &&
      (session === undefined || recorded.input.context.session.id === session)
    if (wanted) judge(recorded)
    done += 1
    if (done % EVERY === 0) onProgress?.(done, surveyed.decisions)
  }
  onProgress?.(done, surveyed.decisions)
  return report()
}

type Judge = { readonly judge: (recorded: Recorded) => void; readonly report: () => Report }

/** @throws {BundleError} when the candidate cannot be active. */
function createJudge(
  { policies: recordedPolicies, newest }: Survey,
  options: BacktestOptions,
): Judge {
  const policies = createPolicies(recordedPolicies)
  const evaluator = createEvaluator()
  const factsUnder = createFactsUnder()
  const tally = createTally(options.examples ?? 3)
  const live = newest === undefined ? undefined : policies.of(newest)
  const { policy: candidate, beside } = candidateIn(
    options.candidate,
    live?.ok && newest !== undefined ? recordedPolicies.get(newest) : undefined,
  )
  const diverged = createDiverged()

  /** What another policy would have said of a decision. @param said by its own. */
  function under(
    policy: ActivePolicy,
    own: ActivePolicy,
    recorded: Recorded,
    said: Verdict,
  ): Result<Verdict, Undecidable> {
    const facts = factsUnder(recorded, own.profile, policy.profile)
    if (!facts.ok) return facts
    const { input } = recorded
    const again = decideAgain(evaluator, policy, inputFor(policy, input, facts.value), {
      terms: () => approveObligation(evaluator.ask(own, unapproved(input))),
      diverged: () => diverged.has(policy, input),
    })
    if (again.ok) diverged.note(policy, input, said, again.value)
    return again
  }

  function liveAnswer(
    own: ActivePolicy,
    recorded: Recorded,
    said: Verdict,
  ): Result<Verdict, Undecidable> {
    if (recorded.revision === newest) return ok(said)
    return live?.ok ? under(live.value, own, recorded, said) : err('live_unavailable')
  }

  return {
    judge(recorded) {
      const { revision, verdict, input } = recorded
      tally.decision(recorded)
      if (isFailure(verdict)) {
        tally.notPolicy(verdict.reasons[0]?.rule ?? 'pdp.*')
        return
      }
      const own = policies.of(revision)
      if (!own.ok) {
        tally.unavailable(revision, own.error.why, own.error.failsItsTest)
        return
      }
      if (input.context.facts_revision !== revision) {
        tally.defect(recorded, 'it was decided on facts of another revision')
        return
      }
      const said = evaluator.ask(own.value, input)
      if (!isRecorded(recorded, said)) {
        tally.defect(recorded, 'its own revision gives another answer', said)
        return
      }
      const to = under(candidate, own.value, recorded, said)
      const from = liveAnswer(own.value, recorded, said)
      if (!to.ok) tally.undecidable(recorded, to.error)
      else if (!from.ok) tally.undecidable(recorded, from.error)
      else tally.compared(recorded, from.value, to.value)
    },
    report: () =>
      tally.report({
        candidate: { name: options.candidate.name, revision: candidate.revision, beside },
        live: newest,
        evaluations: evaluator.counts(),
      }),
  }
}

/** As the request was before anybody had approved it. */
function unapproved(input: Recorded['input']): Recorded['input'] {
  const { approval: _, ...context } = input.context
  return { ...input, context }
}

/** Whether an answer is the recorded one, to the last word of a reason. */
const isRecorded = ({ verdict }: Recorded, { effect, reasons, obligations }: Verdict): boolean =>
  effect === verdict.effect &&
  isDeepStrictEqual(reasons, verdict.reasons) &&
  isDeepStrictEqual(obligations, verdict.obligations)
