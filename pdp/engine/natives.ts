import { BuiltinError } from './errors.ts'
import {
  isArray,
  isObject,
  isSet,
  Num,
  toBigInt,
  type TypeName,
  typeName,
  type Value,
} from './value.ts'

/**
 * Builtins that OPA's compiler makes part of the module. Those answer nothing both for errors and for undefined; here
 * is what tells the two apart when errors are strict, and the words that OPA has for them.
 */
export type Native = {
  /** The builtin's name in Rego. */
  readonly name: string
  /** The module's function. */
  readonly function: string
  /** Types that each operand may have; none named: any. */
  readonly operands: readonly (readonly TypeName[])[]
  /** What is wrong though the types are right; `undefined`: the builtin is undefined without an error. */
  readonly otherwise?: (args: readonly Value[]) => BuiltinError | undefined
}

const broken = (message: string): BuiltinError => new BuiltinError('eval_builtin_error', message)
const wrong = (operand: number, want: string, got: string): BuiltinError =>
  new BuiltinError('eval_type_error', `operand ${operand} must be ${want} but got ${got}`)

const number: readonly TypeName[] = ['number']
const string: readonly TypeName[] = ['string']
const array: readonly TypeName[] = ['array']
const object: readonly TypeName[] = ['object']
const set: readonly TypeName[] = ['set']
const list: readonly TypeName[] = ['set', 'array']
const keys: readonly TypeName[] = ['object', 'set', 'array']
const any: readonly TypeName[] = []

const native = (
  name: string,
  fn: string,
  operands: readonly (readonly TypeName[])[],
  otherwise?: Native['otherwise'],
): Native => ({ name, function: fn, operands, ...(otherwise && { otherwise }) })

/** The first operand that is no integer, which most of these want. */
function integers(args: readonly Value[]): BuiltinError | undefined {
  const at = args.findIndex((one) => one instanceof Num && toBigInt(one) === undefined)
  return at === -1 ? undefined : wrong(at + 1, 'integer number', 'floating-point number')
}

const isZero = (value: Value | undefined): boolean =>
  value instanceof Num && Number(value.literal) === 0
const isNegative = (value: Value | undefined): boolean =>
  value instanceof Num && Number(value.literal) < 0

const shift = (args: readonly Value[]): BuiltinError | undefined =>
  integers(args) ??
  (isNegative(args[1]) ? wrong(2, 'an unsigned integer number', 'a negative integer') : undefined)

/** Elements of another type than all must have. */
const elements =
  (operand: number, types: readonly TypeName[], plural: string) =>
  (args: readonly Value[]): BuiltinError | undefined => {
    const value = args[operand]
    const items = value === undefined ? [] : isArray(value) || isSet(value) ? [...value] : []
    const odd = items.find((one) => !types.includes(typeName(one)))
    if (value === undefined || odd === undefined) return undefined
    const kind = typeName(value)
    return wrong(operand + 1, `${kind} of ${plural}`, `${kind} containing ${typeName(odd)}`)
  }

const paths = (args: readonly Value[]): BuiltinError | undefined => {
  const [, second] = args
  const items = second === undefined ? [] : isArray(second) || isSet(second) ? [...second] : []
  const odd = items.find((one) => typeof one !== 'string' && !isArray(one))
  return odd === undefined
    ? undefined
    : wrong(
        2,
        'one of {set, array} containing string paths or array of path segments',
        typeName(odd),
      )
}

export const natives: readonly Native[] = [
  native('abs', 'opa_arith_abs', [number]),
  native('and', 'opa_set_intersection', [set, set]),
  native('array.concat', 'opa_array_concat', [array, array]),
  native('array.flatten', 'opa_array_flatten', [array]),
  native('array.reverse', 'opa_array_reverse', [array]),
  native('array.slice', 'opa_array_slice', [array, number, number], integers),
  native('base64.decode', 'opa_base64_decode', [string], () => broken('illegal base64 data')),
  native('base64.encode', 'opa_base64_encode', [string]),
  native('base64.is_valid', 'opa_base64_is_valid', [string]),
  native('base64url.decode', 'opa_base64_url_decode', [string], () =>
    broken('illegal base64 data'),
  ),
  native('base64url.encode', 'opa_base64_url_encode', [string]),
  native('bits.and', 'opa_bits_and', [number, number], integers),
  native('bits.lsh', 'opa_bits_shiftleft', [number, number], shift),
  native('bits.negate', 'opa_bits_negate', [number], integers),
  native('bits.or', 'opa_bits_or', [number, number], integers),
  native('bits.rsh', 'opa_bits_shiftright', [number, number], shift),
  native('bits.xor', 'opa_bits_xor', [number, number], integers),
  native('ceil', 'opa_arith_ceil', [number]),
  native('concat', 'opa_strings_concat', [string, list], elements(1, string, 'strings')),
  native('contains', 'opa_strings_contains', [string, string]),
  native('count', 'opa_agg_count', [['array', 'object', 'set', 'string']]),
  native('div', 'opa_arith_divide', [number, number], ([, by]) =>
    isZero(by) ? broken('divide by zero') : undefined,
  ),
  native('endswith', 'opa_strings_endswith', [string, string]),
  native('floor', 'opa_arith_floor', [number]),
  native('format_int', 'opa_strings_format_int', [number, number], ([, base]) =>
    base instanceof Num && ['2', '8', '10', '16'].includes(base.literal)
      ? undefined
      : new BuiltinError('eval_type_error', 'operand 2 must be one of {2, 8, 10, 16}'),
  ),
  native(
    'glob.match',
    'opa_glob_match',
    [string, ['null', 'array'], string],
    (args) => elements(1, string, 'strings')(args) ?? broken('the pattern is not valid'),
  ),
  native('graph.reachable', 'builtin_graph_reachable', [object, list]),
  native('indexof', 'opa_strings_indexof', [string, string], () =>
    broken('empty search character'),
  ),
  native('intersection', 'opa_sets_intersection', [set], elements(0, set, 'sets')),
  native('json.filter', 'builtin_json_filter', [object, list], paths),
  native('json.is_valid', 'opa_json_is_valid', [string]),
  native('json.marshal', 'opa_json_marshal', [any], () => broken('the value has no JSON')),
  native('json.remove', 'builtin_json_remove', [object, list], paths),
  native('json.unmarshal', 'opa_json_unmarshal', [string], () => broken('the text is not JSON')),
  native('lower', 'opa_strings_lower', [string]),
  native('max', 'opa_agg_max', [list]),
  native('min', 'opa_agg_min', [list]),
  native(
    'minus',
    'opa_arith_minus',
    [
      ['number', 'set'],
      ['number', 'set'],
    ],
    ([left, right]) =>
      left !== undefined && right !== undefined && typeName(left) !== typeName(right)
        ? wrong(2, typeName(left), typeName(right))
        : undefined,
  ),
  native('mul', 'opa_arith_multiply', [number, number]),
  native('net.cidr_contains', 'opa_cidr_contains', [string, string], cidr),
  native('net.cidr_intersects', 'opa_cidr_intersects', [string, string], cidr),
  native('numbers.range', 'opa_numbers_range', [number, number], integers),
  native('object.filter', 'builtin_object_filter', [object, keys]),
  native('object.get', 'builtin_object_get', [object, any, any]),
  native('object.keys', 'builtin_object_keys', [object]),
  native('object.remove', 'builtin_object_remove', [object, keys]),
  native('object.union', 'builtin_object_union', [object, object]),
  native('object.union_n', 'builtin_object_union_n', [array], elements(0, object, 'objects')),
  native('or', 'opa_set_union', [set, set]),
  native('plus', 'opa_arith_plus', [number, number]),
  native('product', 'opa_agg_product', [list], elements(0, number, 'numbers')),
  native(
    'regex.find_all_string_submatch_n',
    'opa_regex_find_all_string_submatch',
    [string, string, number],
    () => broken('error parsing regexp'),
  ),
  native('regex.is_valid', 'opa_regex_is_valid', [string]),
  native('regex.match', 'opa_regex_match', [string, string], () => broken('error parsing regexp')),
  native('rem', 'opa_arith_rem', [number, number], ([left, by]) =>
    integers([left ?? null, by ?? null])
      ? broken('modulo on floating-point number')
      : isZero(by)
        ? broken('modulo by zero')
        : undefined,
  ),
  native('replace', 'opa_strings_replace', [string, string, string]),
  native('round', 'opa_arith_round', [number]),
  native('sort', 'opa_agg_sort', [list]),
  native('split', 'opa_strings_split', [string, string]),
  native('startswith', 'opa_strings_startswith', [string, string]),
  native('strings.replace_n', 'opa_strings_replace_n', [object, string], ([patterns]) => {
    const all = patterns !== undefined && isObject(patterns) ? [...patterns] : []
    if (all.some(([key]) => typeof key !== 'string'))
      return new BuiltinError('eval_type_error', 'operand 1 non-string key found in pattern object')
    return all.some(([, value]) => typeof value !== 'string')
      ? new BuiltinError('eval_type_error', 'operand 1 non-string value found in pattern object')
      : undefined
  }),
  native('strings.reverse', 'opa_strings_reverse', [string]),
  native(
    'substring',
    'opa_strings_substring',
    [string, number, number],
    (args) => integers(args) ?? (isNegative(args[1]) ? broken('negative offset') : undefined),
  ),
  native('sum', 'opa_agg_sum', [list], elements(0, number, 'numbers')),
  native('to_number', 'opa_to_number', [['null', 'boolean', 'number', 'string']], ([value]) =>
    typeof value === 'string' && /^[+-]?(?:nan|inf|infinity)$/i.test(value)
      ? wrong(1, 'valid number string', 'string')
      : broken('invalid syntax'),
  ),
  native('trim', 'opa_strings_trim', [string, string]),
  native('trim_left', 'opa_strings_trim_left', [string, string]),
  native('trim_prefix', 'opa_strings_trim_prefix', [string, string]),
  native('trim_right', 'opa_strings_trim_right', [string, string]),
  native('trim_space', 'opa_strings_trim_space', [string]),
  native('trim_suffix', 'opa_strings_trim_suffix', [string, string]),
  native('union', 'opa_sets_union', [set], elements(0, set, 'sets')),
  native('upper', 'opa_strings_upper', [string]),
]

function cidr(args: readonly Value[]): BuiltinError {
  const text = args.find(
    (one) => typeof one === 'string' && !/^[0-9a-fA-F.:]+(?:\/\d+)?$/.test(one),
  )
  return broken(`invalid CIDR address${typeof text === 'string' ? `: ${text}` : ''}`)
}

/** @returns the error of a builtin that answered nothing, or `undefined` when OPA has none for it. */
export function nativeError(
  { operands, otherwise }: Native,
  args: readonly Value[],
): BuiltinError | undefined {
  for (const [at, types] of operands.entries()) {
    const value = args[at]
    if (value === undefined || types.length === 0 || types.includes(typeName(value))) continue
    const [only] = types
    const want = types.length === 1 && only !== undefined ? only : `one of {${types.join(', ')}}`
    return wrong(at + 1, want, typeName(value))
  }
  return otherwise?.(args)
}
