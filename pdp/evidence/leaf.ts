import { hash } from 'node:crypto'
import { canonicalJson } from '../contract/action.ts'
import type { SealedRecord } from '../contract/record.ts'
import type { LeafBody } from './log-store.ts'

/**
 * The text of a leaf: RFC 8785, so that whoever has the members has the same bytes, in any language and without our
 * code; JSON and not CBOR, because people and databases read it as it is. Text that neither holds (NUL, lone surrogates)
 * is U+FFFD in it.
 * @param logged_ms when the log takes it.
 */
export function leafText(body: LeafBody, logged_ms: number): string {
  const leaf = { ...body, logged_ms }
  try {
    const text = canonicalJson(leaf)
    if (!UNSTORABLE.test(text)) return text
  } catch {
    // Only lone surrogates have no canonical form here, and those are replaced below; anything else throws again there.
  }
  return canonicalJson(clean(leaf))
}

/** Escapes of what PostgreSQL's JSON refuses. May match text that only looks so; that is then replaced by itself. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/

function clean(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD')
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [clean(name), clean(member)]),
  )
}

type FrameSource = { readonly pep: string; readonly epoch: string; readonly seq: number }

/** The leaf that a frame of a journal becomes. Content is told by its commitment and by what its sealed bytes hash to. */
export function leafOf(source: FrameSource, { step, content }: SealedRecord): LeafBody {
  return {
    v: 1,
    ...step,
    source,
    ...(content && {
      content: {
        key: content.key,
        commitment: content.commitment,
        sealed: hash('sha256', content.sealed),
        ...(content.blocks.length > 0 && {
          blocks: content.blocks.map(({ sealed }) => hash('sha256', sealed)),
        }),
      },
    }),
  }
}
