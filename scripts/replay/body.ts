import { createBodyReader } from './body-reader.ts'
import { differ, type Hunk } from './differ.ts'
import type { Grown, Part } from './part.ts'

/** A part as far as it was read. */
export type ReadPart = {
  readonly part: Part
  readonly text: string
  /** When it had how many characters, ascending. */
  readonly growth: readonly (readonly [at_ms: number, length: number])[]
}

export type Body = {
  /** @returns what became readable. */
  readonly push: (at_ms: number, bytes: Uint8Array) => readonly Grown[]
  readonly end: () => readonly Grown[]
  readonly parts: () => readonly ReadPart[]
  /** Bytes that came. */
  readonly size: () => number
  /** Whether it is longer than what is kept of it. */
  readonly isCut: () => boolean
}

type Growing = { readonly part: Part; text: string; readonly growth: [number, number][] }

/** Gathers a body from its pieces. @param maxChars most characters that are kept of it. */
export function createBody(maxChars: number): Body {
  const reader = createBodyReader()
  const parts = new Map<string, Growing>()
  let size = 0
  let chars = 0
  let last_ms = 0
  let cut = false

  const keep = (at_ms: number, grown: readonly Grown[]): readonly Grown[] => {
    for (const { part, text } of grown) {
      const kept = text.slice(0, Math.max(maxChars - chars, 0))
      if (kept.length < text.length) cut = true
      chars += kept.length
      let growing = parts.get(part.key)
      if (!growing) {
        growing = { part, text: '', growth: [] }
        parts.set(part.key, growing)
      }
      growing.text += kept
      const newest = growing.growth.at(-1)
      if (newest?.[0] === at_ms) newest[1] = growing.text.length
      else growing.growth.push([at_ms, growing.text.length])
    }
    return grown
  }

  return {
    push(at_ms, bytes) {
      size += bytes.length
      last_ms = Math.max(last_ms, at_ms)
      return keep(last_ms, reader.push(bytes))
    },
    end: () => keep(last_ms, reader.end()),
    parts: () => [...parts.values()],
    size: () => size,
    isCut: () => cut,
  }
}

/** A part of which two bodies have different text; `hunks` go from the first body to the second. */
export type Difference = { readonly part: Part; readonly hunks: readonly Hunk[] }

/** Compares what came back with what the agent got, or what was sent with what went upstream, part by part. */
export function differences(
  before: readonly ReadPart[],
  after: readonly ReadPart[],
): readonly Difference[] {
  const others = new Map(after.map((one) => [one.part.key, one]))
  const found = before.flatMap(({ part, text }): Difference[] => {
    const other = others.get(part.key)
    others.delete(part.key)
    if (!other) return [{ part, hunks: [{ gone: text, came: '' }] }]
    if (other.part.kind !== part.kind || other.part.title !== part.title)
      return [
        { part, hunks: [{ gone: text, came: '' }] },
        { part: other.part, hunks: [{ gone: '', came: other.text }] },
      ]
    return other.text === text ? [] : [{ part, hunks: differ(text, other.text) }]
  })
  const added = [...others.values()].map(({ part, text }): Difference => ({
    part,
    hunks: [{ gone: '', came: text }],
  }))
  return [...found, ...added]
}
