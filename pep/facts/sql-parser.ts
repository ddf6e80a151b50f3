// The factory beneath `libpg-query`'s own API, which has one instance for the life of the process.
import createModule from 'libpg-query/wasm/libpg-query.js'

/** What emscripten gives of libpg_query (https://github.com/pganalyze/libpg_query, `PgQueryParseResult`). */
type Module = {
  readonly _malloc: (bytes: number) => number
  readonly _free: (at: number) => void
  readonly _wasm_parse_query_raw: (query: number) => number
  readonly _wasm_free_parse_result: (answer: number) => void
  readonly lengthBytesUTF8: (text: string) => number
  readonly stringToUTF8: (text: string, at: number, bytes: number) => void
  readonly UTF8ToString: (at: number) => string
  readonly getValue: (at: number, type: 'i32') => number
}

let module: Module | undefined = await createModule<Module>()

/**
 * Parses SQL with PostgreSQL's parser, loaded once.
 * @returns the statements' trees as libpg_query writes them, or why there are none; never throws.
 */
export function parseSql(text: string): readonly unknown[] | 'syntax' | 'parser' {
  // C strings end at NUL: what is behind it would not be looked at.
  if (text.includes('\0')) return 'syntax'
  // PostgreSQL's lexer looks at a run of operators, or of comments that open, as often as it is long.
  if (/[-+*/<>=~!@#%^&|`?]{512}/.test(text)) return 'syntax'
  if (module === undefined) return 'parser'
  try {
    return parseWith(module, text)
  } catch {
    // A trap (its stack ran out) leaves an instance whose memory may be anything; another takes its place.
    module = undefined
    void reload()
    return 'parser'
  }
}

async function reload(): Promise<void> {
  // Fail closed: without a parser, SQL stays undetermined.
  module = await createModule<Module>().catch(() => undefined)
}

function parseWith(pg: Module, text: string): readonly unknown[] | 'syntax' {
  const bytes = pg.lengthBytesUTF8(text) + 1
  const query = pg._malloc(bytes)
  pg.stringToUTF8(text, query, bytes)
  const answer = pg._wasm_parse_query_raw(query)
  const failed = answer === 0 || pg.getValue(answer + 8, 'i32') !== 0
  const tree = failed ? undefined : pg.UTF8ToString(pg.getValue(answer, 'i32'))
  pg._free(query)
  if (answer !== 0) pg._wasm_free_parse_result(answer)
  if (tree === undefined) return 'syntax'
  const { stmts } = JSON.parse(tree) as { stmts?: { stmt?: unknown }[] }
  return (stmts ?? []).map(({ stmt }) => stmt)
}
