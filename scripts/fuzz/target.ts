import type * as fc from 'fast-check'

/** Something of the gateway that is fed with inputs, and what must hold whatever they are. */
export type Target = {
  readonly name: string
  /** Executions a batch: as many as take a second or two. */
  readonly runs: number
  /** Inputs are plain JSON, so that one that found something can be kept in a file. */
  readonly input: fc.Arbitrary<unknown>
  /** @throws {Broken} when an invariant does not hold; anything else that it throws is a finding as well. */
  readonly check: (input: unknown) => Promise<void> | void
}

/** An invariant does not hold. The message names it without the input, so that equal findings have equal messages. */
export class Broken extends Error {
  constructor(message: string, detail = '') {
    super(detail === '' ? message : `${message}: ${detail.slice(0, 400)}`)
  }
}

/** Gives a target with inputs of one type the type that all of them have. */
export function target<Input>(one: {
  readonly name: string
  readonly runs: number
  readonly input: fc.Arbitrary<Input>
  readonly check: (input: Input) => Promise<void> | void
}): Target {
  return { ...one, check: (input) => one.check(input as Input) }
}

/** @throws {Broken} naming what differs. */
export function same(what: string, a: unknown, b: unknown): void {
  const [one, other] = [JSON.stringify(a), JSON.stringify(b)]
  if (one === other) return
  let at = 0
  while (one?.[at] === other?.[at]) at++
  const near = (text: string | undefined): string =>
    text?.slice(Math.max(0, at - 60), at + 60) ?? 'nothing'
  throw new Broken(what, `${near(one)} <> ${near(other)}`)
}

/** Cuts bytes or text at the given places, taken modulo the length. */
export function cutAt<T extends { readonly length: number; slice(from: number, to: number): T }>(
  whole: T,
  places: readonly number[],
): T[] {
  const ends = [...new Set(places.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b)
  return [...ends, whole.length].map((to, k) => whole.slice(ends[k - 1] ?? 0, to))
}
