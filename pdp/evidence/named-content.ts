import type { NamedContent } from '../store/store.ts'
import type { StoredLeaf } from './log-store.ts'

/** What a leaf names of sealed bytes; nothing, when it has none. */
export function namedContent({ index, leaf }: StoredLeaf): readonly NamedContent[] {
  const { content } = JSON.parse(leaf) as {
    readonly content?: { readonly key: string; readonly blocks?: readonly string[] }
  }
  return content ? [{ index, key: content.key, blocks: content.blocks ?? [] }] : []
}
