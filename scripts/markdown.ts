import type { ChangeKind } from '../pdp/decide/change.ts'

/** Text of others in a table: nothing of it is markup, nor a link because it looks like one. */
export const cell = (text: string): string =>
  text
    .replace(/[\\`*_{}[\]<>()#+!|~@:.&-]/g, (mark) => `&#${mark.charCodeAt(0)};`)
    .replace(/\s+/g, ' ')

/** Names that others chose: in code nobody is mentioned by an `@`, whatever stands there. */
export const codeCell = (text: string): string => `<code>${cell(text)}</code>`

/** What becomes of a decision: who skims a pull request sees the one that opens something. */
export const kindCell = (kind: ChangeKind): string =>
  kind === 'new allow' ? '⚠️ **new allow**' : kind
