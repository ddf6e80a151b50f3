import type { LeafBody, LogStore } from './log-store.ts'
import type { VerifierKey } from './note.ts'

/**
 * The leaf that says which keys sign from now on, when the newest one in the log says something else.
 * @param pdp name of this instance.
 */
export async function keyLeaf(
  store: Pick<LogStore, 'newestKeyLeaf'>,
  keys: readonly VerifierKey[],
  pdp: string,
  time_ms: number,
): Promise<LeafBody | undefined> {
  const [vkey = '', ...also] = keys.map((key) => key.vkey)
  const text = await store.newestKeyLeaf()
  const before = text === undefined ? undefined : keysOf(text)
  if (before && sameSet(before, [vkey, ...also])) return undefined
  return {
    v: 1,
    kind: 'key',
    time_ms,
    source: { pdp },
    event: before ? 'rotated' : 'began',
    vkey,
    ...(also.length > 0 && { also }),
    ...(before?.[0] !== undefined && { before: before[0] }),
  }
}

/** Verifier keys that a leaf of kind `key` names, the first one first. */
export function keysOf(leaf: string): string[] {
  const { vkey, also } = JSON.parse(leaf) as { vkey?: unknown; also?: unknown }
  const all: readonly unknown[] = [vkey, ...(Array.isArray(also) ? also : [])]
  return all.filter((one) => typeof one === 'string')
}

const sameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one))
