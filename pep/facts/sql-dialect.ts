/** Whose SQL a text is. `unknown` may be any database's. */
export type Dialect = 'postgres' | 'mysql' | 'sqlite' | 'unknown'

/**
 * What a text says in the dialect of its database, for PostgreSQL's parser. Where the database's own lexer would end a
 * string or a comment elsewhere, statements could hide: such a text is `doubtful`, whatever the parser makes of it.
 */
export function readDialect(
  text: string,
  dialect: Dialect,
): { readonly sql: string; readonly doubtful: boolean } {
  if (dialect === 'postgres') return { sql: text, doubtful: false }
  return {
    // MySQL and SQLite quote names so. Inside a string the replacement changes nothing that is looked at.
    sql: text.replace(/`([\w .$-]*)`/g, '"$1"'),
    doubtful:
      tricks.some((trick) => trick.test(text)) ||
      hashComment(text, dialect) ||
      // What is left after names could hide a quote.
      [...text.matchAll(/`([^`]*)`/g)].some(([, name = '']) => /[^\w .$-]/.test(name)),
  }
}

const tricks: readonly RegExp[] = [
  // MySQL runs what is in `/*! … */`, and MariaDB in `/*M! … */`.
  /\/\*M?!/,
  // Only PostgreSQL nests comments.
  /\/\*(?:(?!\*\/)[^])*\/\*/,
  // To MySQL `--` is a comment when white space follows.
  /--[^\s-]/,
  // MySQL escapes quotes with a backslash.
  /\\['"]/,
  // Only PostgreSQL quotes with dollars.
  /\$\w*\$/,
]

/** `#` begins a comment of MySQL, to the end of the line, and is an operator of PostgreSQL. */
function hashComment(text: string, dialect: Dialect): boolean {
  const at = text.indexOf('#')
  return at >= 0 && (dialect === 'mysql' || text.lastIndexOf('\n') > at)
}
