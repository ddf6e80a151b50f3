import type { SqlFacts } from '../../pdp/contract/facts.ts'
import { type Dialect, readDialect } from './sql-dialect.ts'
import { parseSql } from './sql-parser.ts'
import { sqlStart } from './sql-tables.ts'
import { describeStatement } from './sql-tree.ts'

/** Longest text that is parsed, UTF-16 code units, and most statements of one tool call. */
const MAX_TEXT = 64 * 1024
const MAX_STATEMENTS = 100
/** Most UTF-16 code units of names in the facts. */
const MAX_NAMES = 16 * 1024

export type SqlText = {
  readonly text: string
  readonly dialect: Dialect
  /** Whether it may be anything: then it is SQL when it parses, and says nothing when it does not. */
  readonly perhaps?: boolean
}

/**
 * Parses SQL into the facts policy sees. Bounded, never throws. What PostgreSQL's grammar does not accept, and what the
 * database in question would read otherwise, is `undetermined`.
 * @param known reasons found before, why SQL that runs is not in `texts`.
 */
export function sqlFacts(
  texts: readonly SqlText[],
  known: Iterable<string> = [],
): { facts: SqlFacts; incomplete: string[] } {
  const statements: SqlFacts['statements'] = []
  const undetermined = new Set<string>(known)
  const incomplete = new Set<string>()
  let room = MAX_TEXT
  let names = MAX_NAMES
  for (const { text, dialect, perhaps = false } of texts) {
    room -= text.length
    if (room < 0) {
      incomplete.add('sql: too long')
      undetermined.add('syntax')
      break
    }
    const { sql, doubtful } = readDialect(text, dialect)
    const trees = parseSql(sql)
    if (typeof trees === 'string') {
      if (!perhaps) undetermined.add(trees)
      continue
    }
    if (doubtful) undetermined.add('dialect')
    for (const tree of trees) {
      const described = describeStatement(tree)
      if (described.code) undetermined.add('code')
      if (!described.whole) incomplete.add('sql: more than fits')
      for (const one of described.statements) {
        names -= [...one.tables, ...(one.columns ?? []), ...one.functions].join('....').length
        if (statements.length < MAX_STATEMENTS && names >= 0) statements.push(one)
        else incomplete.add('sql: more than fits')
      }
      // The facts refuse the call already; the rest is not worth the time.
      if (incomplete.size > 0) break
    }
  }
  return { facts: { statements, undetermined: [...undetermined] }, incomplete: [...incomplete] }
}

/** Whether a text begins as SQL does, behind comments and brackets. */
export function beginsLikeSql(text: string): boolean {
  let rest = text.slice(0, MAX_TEXT)
  for (;;) {
    const next = rest.replace(/^([\s;(\ufeff]+|--[^\n]*(\n|$)|#[^\n]*(\n|$)|\/\*[^]*?(\*\/|$))/, '')
    if (next === rest) return sqlStart.test(rest)
    rest = next
  }
}
