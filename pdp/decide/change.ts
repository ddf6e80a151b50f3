import { isDeepStrictEqual } from 'node:util'
import type { Verdict } from '../contract/decision.ts'

/** What becomes of a decision under another policy. `other duties`: the same effect by other rules or with other obligations. */
export type ChangeKind = 'new allow' | 'new approval' | 'new deny' | 'other duties'

/** The loudest first. */
export const CHANGE_KINDS = [
  'new allow',
  'new approval',
  'new deny',
  'other duties',
] as const satisfies readonly ChangeKind[]

/** @returns `undefined` where whoever asks gets the same. */
export function changeOf(from: Verdict, to: Verdict): ChangeKind | undefined {
  if (isDeepStrictEqual(comparable(from), comparable(to))) return undefined
  if (from.effect === to.effect) return 'other duties'
  if (to.effect === 'allow') return 'new allow'
  return to.effect === 'approve' ? 'new approval' : 'new deny'
}

/** Ids of the rules that gave the reasons, sorted. */
export const rulesIn = ({ reasons }: Pick<Verdict, 'reasons'>): string[] =>
  reasons.map(({ rule }) => rule).sort()

/** What makes a difference to whoever asks: not the sentences. */
const comparable = (verdict: Verdict): unknown => ({
  effect: verdict.effect,
  rules: rulesIn(verdict),
  obligations: verdict.obligations,
})
