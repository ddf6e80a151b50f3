/** PostgreSQL's text has no NUL and no lone surrogates; both come from outside and must not stop a record. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/** Longest value of a column that can be asked for; an index holds no more than 2,704 bytes. The leaf has it whole. */
const MAX_CHARACTERS = 512

/** A value as columns hold it. */
export function columnText(text: string): string {
  return storable(text.slice(0, MAX_CHARACTERS))
}
