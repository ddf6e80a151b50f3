import type { RemakeProblem } from './remake.ts'

/** Why what a policy would have said cannot be told. Such a decision is counted, and compared with nothing. */
export type Undecidable =
  | RemakeProblem
  | 'taints_not_recorded'
  | 'taints_differ'
  | 'approval_terms'
  | 'live_unavailable'

export const UNDECIDABLE = {
  body_not_recorded: 'facts must be made again, and the body is not there',
  body_not_whole: 'facts must be made again, and the body may not be all of it',
  body_would_stream:
    'the candidate does not have the body read, and whether its length was declared is not on record',
  exchange_not_recorded: 'facts must be made again, and method, target or headers are not there',
  facts_differ:
    'facts must be made again, and the body does not give the recorded ones: it is masked or cut, or extraction has changed since',
  would_be_refused:
    'with facts of the other profile the enforcement point would have refused it before policy is asked',
  protocol_unknown: 'facts must be made again, and nothing here makes those of its protocol',
  taints_not_recorded:
    'it hangs on what the session had seen, and the policy of then did not ask for that',
  taints_differ:
    'it hangs on what the session had seen, and under the other policy that would have been something else',
  approval_terms: 'it was approved, and under which terms cannot be told',
  live_unavailable: 'it was decided under an older policy, and the newest cannot be asked',
} as const satisfies { readonly [K in Undecidable]: string }
