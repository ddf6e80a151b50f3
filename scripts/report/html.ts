import { shown } from '../commands/output.ts'

/** Markup whose texts are escaped; only `html` makes it. */
export type Html = { readonly markup: string }

type Part = Html | string | number | readonly Html[]

/** A template of markup. Whatever is put into it is text, but for what is markup already. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const markup = texts.reduce((sum, text, at) => {
    const part = parts[at]
    return sum + text + (part === undefined ? '' : markupOf(part))
  }, '')
  return { markup }
}

function markupOf(part: Part): string {
  if (typeof part === 'string' || typeof part === 'number') return escaped(String(part))
  if ('markup' in part) return part.markup
  return part.map(({ markup }) => markup).join('')
}

/** Ours, from a file beside the code. */
export const trusted = (markup: string): Html => ({ markup })

export const NOTHING: Html = { markup: '' }

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** What turns, hides or breaks text is written out, so that a row always is what it looks like. */
const escaped = (text: string): string =>
  shown(text)
    .replaceAll(/[\n\t]/g, (char) => (char === '\n' ? '\\n' : '\\t'))
    .replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? '')
