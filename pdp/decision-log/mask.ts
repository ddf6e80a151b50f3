import { z } from 'zod'
import { err, ok, type Result } from '../contract/result.ts'
import type { DecisionEvent } from './event.ts'

/** What `data.system.log.mask` says: paths to take out, or rules with an operation. */
const pointer = z.string().regex(/^\/(?:input|result)(?:\/.*)?$/s)
const rule = z.union([
  pointer.transform((path) => ({ op: 'remove' as const, path })),
  z.object({ op: z.literal('remove'), path: pointer }),
  z.object({ op: z.literal('upsert'), path: pointer, value: z.unknown() }),
])
const rules = z.array(rule)
type Rule = z.infer<typeof rule>

/** @returns the event as it may be told; an error when the rules are not understood. */
export function maskEvent(event: DecisionEvent, said: unknown): Result<DecisionEvent, string> {
  const parsed = rules.safeParse(said)
  if (!parsed.success) return err(z.prettifyError(parsed.error))
  const masked: Masked = {
    event: structuredClone<Record<string, unknown>>(event),
    erased: [],
    masked: [],
    taken: new Set(),
  }
  for (const one of parsed.data) apply(masked, one)
  for (const list of masked.taken) list.splice(0, Infinity, ...list.filter((one) => one !== TAKEN))
  const { erased, masked: replaced } = masked
  const changed = erased.length + replaced.length > 0
  return ok({
    ...(masked.event as DecisionEvent),
    // What failed may quote what was masked.
    ...(changed && event.error !== undefined && { error: { code: 'masked' } }),
    ...(erased.length > 0 && { erased }),
    ...(replaced.length > 0 && { masked: replaced }),
  })
}

/** What is left of an event whose masks cannot be told: no content. */
export function withoutContent(
  { input: _, result: __, ...event }: DecisionEvent,
  why: string,
): DecisionEvent {
  return { ...event, erased: ['/input', '/result'], error: { code: 'mask_error', message: why } }
}

type Masked = {
  readonly event: Record<string, unknown>
  readonly erased: string[]
  readonly masked: string[]
  /** Lists of which elements were taken; they keep their places until the end, since pointers name those. */
  readonly taken: Set<unknown[]>
}

/** Where an element of a list stood. */
const TAKEN = Symbol('taken')

/** RFC 6901. */
const partsOf = (path: string): string[] =>
  path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

function apply({ event, erased, masked, taken }: Masked, one: Rule): void {
  const parts = partsOf(one.path)
  const last = parts.at(-1) ?? ''
  const parent = containerOf(event, parts.slice(0, -1), one.op === 'upsert')
  if (parent === undefined) return
  if (one.op === 'upsert') {
    if (put(parent, last, one.value)) masked.push(one.path)
  } else if (take(parent, last, taken)) erased.push(one.path)
}

type Container = Record<string, unknown> | unknown[]
const isContainer = (value: unknown): value is Container =>
  typeof value === 'object' && value !== null

/** @param make containers that are not there. */
function containerOf(
  root: Container,
  parts: readonly string[],
  make: boolean,
): Container | undefined {
  let value: Container = root
  for (const part of parts) {
    const next = Array.isArray(value)
      ? value[indexOf(value, part) ?? -1]
      : Object.hasOwn(value, part)
        ? value[part]
        : undefined
    if (isContainer(next)) {
      value = next
      continue
    }
    // Nothing is put where something else stands.
    if (next !== undefined || !make || Array.isArray(value)) return undefined
    const made = Object.create(null) as Record<string, unknown>
    define(value, part, made)
    value = made
  }
  return value
}

function indexOf(list: readonly unknown[], part: string): number | undefined {
  const at = /^(?:0|[1-9]\d*)$/.test(part) ? Number(part) : -1
  return at >= 0 && at < list.length ? at : undefined
}

/** Also under names that mean something to JavaScript. */
const define = (object: Record<string, unknown>, key: string, value: unknown): void =>
  void Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  })

function put(parent: Container, key: string, value: unknown): boolean {
  if (!Array.isArray(parent)) {
    define(parent, key, value)
    return true
  }
  const at = indexOf(parent, key)
  if (at === undefined || parent[at] === TAKEN) return false
  parent[at] = value
  return true
}

function take(parent: Container, key: string, taken: Set<unknown[]>): boolean {
  if (Array.isArray(parent)) {
    const at = indexOf(parent, key)
    if (at === undefined || parent[at] === TAKEN) return false
    parent[at] = TAKEN
    taken.add(parent)
    return true
  }
  return Object.hasOwn(parent, key) && delete parent[key]
}
