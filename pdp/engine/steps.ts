/** Takes steps of the evaluation's. @throws {OutOfSteps} when there are none left. */
export type Spend = (steps: number) => void

/** Thrown when the steps of an evaluation are used up. No builtin may take it for an error of its arguments. */
export class OutOfSteps extends Error {}

/** What it takes to read or write an integer of so many decimal digits, which is more than in proportion to them. */
export const stepsOfDigits = (digits: number): number => digits ** 1.5 / 20

/**
 * What the host does for a policy, in the steps that its module counts (`wasm/fuel.ts`), of which one takes about five
 * nanoseconds: loops of builtins end where loops of the module would.
 */
export type Meter = {
  readonly spend: Spend
  /**
   * @returns what `work` does, with the steps that the counter has.
   * @throws {OutOfSteps} also when `work` caught that.
   */
  readonly run: <T>(counter: { value: number }, work: () => T) => T
}

export function createMeter(): Meter {
  // A number of our own: the counter is a global of the module, which is slow to reach.
  let left = 0
  return {
    spend: (steps) => {
      left -= steps
      // Also for what is no number.
      if (left > 0) return
      left = 0
      throw new OutOfSteps('out of steps')
    },
    run: (counter, work) => {
      left = counter.value >>> 0
      let cause: unknown
      try {
        const result = work()
        if (left > 0) return result
      } catch (error) {
        if (left > 0) throw error
        cause = error
      } finally {
        counter.value = Math.floor(left) | 0
      }
      // Whatever `work` made of it.
      throw new OutOfSteps('out of steps', { cause })
    },
  }
}
