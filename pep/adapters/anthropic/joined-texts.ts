import { typeOf } from '../../facts/anthropic-fields.ts'

/**
 * Masks text blocks of a list that follow each other as the one text that their reader sees.
 * @param key of the list: only content and instructions are made of blocks.
 * @param several masks texts as one. @returns what becomes of each.
 * @returns what becomes of the text of each block that has such neighbours.
 */
export function joinedTexts(
  list: readonly unknown[],
  key: string | number | undefined,
  several: (texts: readonly string[]) => readonly string[],
): ReadonlyMap<object, string> {
  const joined = new Map<object, string>()
  if (key !== 'content' && key !== 'system') return joined
  let run: TextBlock[] = []
  const end = (): void => {
    if (run.length > 1) {
      const masked = several(run.map(({ text }) => text))
      for (const [at, block] of run.entries()) joined.set(block, masked[at] ?? '')
    }
    run = []
  }
  for (const block of list) {
    if (isText(block)) run.push(block)
    else end()
  }
  end()
  return joined
}

type TextBlock = { readonly text: string }

const isText = (block: unknown): block is TextBlock =>
  typeOf(block) === 'text' && typeof (block as { text?: unknown }).text === 'string'
