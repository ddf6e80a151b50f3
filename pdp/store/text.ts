/** PostgreSQL's text has no NUL and no lone surrogates; both come from outside and must not stop a record. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}
