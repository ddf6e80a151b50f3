import { type Spend, stepsOfDigits } from '../steps.ts'
import { Num, toBigInt, type Value } from '../value.ts'
import { array, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goSprintf } from './go/format.ts'
import { termText } from './go/quote.ts'
import type { GoArgument } from './go/verb.ts'

export const sprintf: Builtins = {
  sprintf: (args, { spend }) =>
    goSprintf(
      text(args, 0),
      array(args, 1).map((one) => argument(one, spend)),
      spend,
    ),
}

/** Numbers and strings as Go's own types, anything else as Rego writes it. */
function argument(value: Value, spend: Spend): GoArgument {
  if (typeof value === 'string') return { type: 'string', value }
  if (!(value instanceof Num)) return { type: 'string', value: termText(value) }
  spend(stepsOfDigits(value.literal.length))
  const integer = toBigInt(value)
  if (integer !== undefined)
    return BigInt.asIntN(64, integer) === integer
      ? { type: 'int64', value: integer }
      : { type: '*big.Int', value: integer, digits: value.literal.length }
  const float = Number(value.literal)
  // Past a double's range the literal is left as it is.
  return Number.isFinite(float)
    ? { type: 'float64', value: float }
    : { type: 'string', value: value.literal }
}
