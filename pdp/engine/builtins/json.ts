import { BuiltinError } from '../errors.ts'
import type { Spend } from '../steps.ts'
import type { Value } from '../value.ts'
import { array, failed, flag, object, text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goJson } from './go/json.ts'
import { applyPatch } from './go/patch.ts'

export const json: Builtins = {
  'json.patch': (args, { spend }) => applyPatch(args[0], array(args, 1), spend),
  'json.marshal_with_options': (args, { spend }) => marshal(args[0], object(args, 1), spend),
}

function marshal(
  value: Value | undefined,
  options: ReadonlyMap<Value, Value>,
  spend: Spend,
): string {
  if (value === undefined) throw failed('nothing to marshal')
  let [prefix, step, pretty]: [string, string, boolean | undefined] = ['', '\t', undefined]
  for (const [key, one] of options) {
    if (key === 'prefix') prefix = text([one], 0)
    else if (key === 'indent') step = text([one], 0)
    else if (key === 'pretty') pretty = flag([one], 0)
    else throw new BuiltinError('eval_type_error', 'operand 2 object contained unknown key')
  }
  pretty ??= options.has('prefix') || options.has('indent')
  // The first line has no prefix of Go's.
  return pretty ? prefix + goJson(value, { prefix, step, spend }) : goJson(value)
}
