import { z } from 'zod'
import type { NamedContent } from '../store/store.ts'
import type { StoredLeaf } from './log-store.ts'

const named = z.object({
  content: z.object({
    key: z.string().regex(/^[0-9a-f]{32}$/),
    blocks: z.array(z.unknown()).default([]),
  }),
})

/**
 * What a leaf names of sealed bytes; nothing, when it has none. A leaf that was tampered with names nothing where it makes
 * no sense: it is exported all the same, and whoever verifies it sees what is missing.
 */
export function namedContent({ index, leaf }: StoredLeaf): readonly NamedContent[] {
  const read = named.safeParse(parsed(leaf))
  if (!read.success) return []
  const { key, blocks } = read.data.content
  return [{ index, key, blocks: blocks.filter(isHash) }]
}

function parsed(leaf: string): unknown {
  try {
    return JSON.parse(leaf)
  } catch {
    return undefined
  }
}

const isHash = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
