import { BuiltinError } from '../errors.ts'
import { isArray, isObject, isSet, Num, toBigInt, typeName, type Value } from '../value.ts'

/** Readers of arguments. A value of another type is an error of the policy's data: undefined, as in OPA. */

const wrongType = (position: number, want: string, got: Value | undefined): BuiltinError =>
  new BuiltinError(
    'eval_type_error',
    `operand ${position + 1} must be ${want} but got ${got === undefined ? 'nothing' : typeName(got)}`,
  )

export type Arguments = readonly Value[]

export function text(args: Arguments, position: number): string {
  const value = args[position]
  if (typeof value === 'string') return value
  throw wrongType(position, 'string', value)
}

export function number(args: Arguments, position: number): Num {
  const value = args[position]
  if (value instanceof Num) return value
  throw wrongType(position, 'number', value)
}

/** An integer of any size; 1.0 is none, as in OPA. */
export function integer(args: Arguments, position: number): bigint {
  const value = toBigInt(number(args, position))
  if (value !== undefined) return value
  throw wrongType(position, 'integer number', args[position])
}

/** An integer that JavaScript has exactly. */
export function smallInteger(args: Arguments, position: number): number {
  const given = number(args, position)
  const value = /^-?\d+$/.test(given.literal) ? Number(given.literal) : Number.NaN
  if (Number.isNaN(value)) throw wrongType(position, 'integer number', given)
  if (Number.isSafeInteger(value)) return value
  throw wrongType(position, 'a smaller integer number', args[position])
}

export function flag(args: Arguments, position: number): boolean {
  const value = args[position]
  if (typeof value === 'boolean') return value
  throw wrongType(position, 'boolean', value)
}

export function array(args: Arguments, position: number): readonly Value[] {
  const value = args[position]
  if (value !== undefined && isArray(value)) return value
  throw wrongType(position, 'array', value)
}

export function object(args: Arguments, position: number): ReadonlyMap<Value, Value> {
  const value = args[position]
  if (value !== undefined && isObject(value)) return value
  throw wrongType(position, 'object', value)
}

/** The elements of an array or a set. */
export function elements(args: Arguments, position: number): readonly Value[] {
  const value = args[position]
  if (value !== undefined && isArray(value)) return value
  if (value !== undefined && isSet(value)) return [...value]
  throw wrongType(position, 'one of {set, array}', value)
}

/** One string, or the strings of an array or a set. */
export function texts(args: Arguments, position: number): readonly string[] {
  const value = args[position]
  if (typeof value === 'string') return [value]
  if (value === undefined || !(isArray(value) || isSet(value)))
    throw wrongType(position, 'one of {string, set, array}', value)
  const kind = typeName(value)
  return [...value].map((one) => {
    if (typeof one === 'string') return one
    throw new BuiltinError(
      'eval_type_error',
      `operand ${position + 1} must be ${kind} of strings but got ${kind} containing ${typeName(one)}`,
    )
  })
}

/** What the arguments say cannot be done. */
export const failed = (message: string): BuiltinError =>
  new BuiltinError('eval_builtin_error', message)
