import type { ShellState, Stdin } from './shell-state.ts'
import type { Token } from './shell-words.ts'
import { beginsLikeSql } from './sql.ts'
import type { Dialect } from './sql-dialect.ts'

type Client = {
  readonly dialect: Dialect
  /** Options that hold SQL. */
  readonly sql?: RegExp
  /** Options that name a file of SQL. */
  readonly file?: RegExp
  /** Short options that take a value, so that it is not taken for an operand. */
  readonly valued?: string
  /** How many operands stand before one that is SQL; without it operands are no SQL. */
  readonly operands?: number
  /** Whether it reads SQL from standard input. */
  readonly reads: boolean
}

const psql: Client = {
  dialect: 'postgres',
  sql: /^(?:-[a-zA-Z0-9]*c|--command)(?:=|$)(.*)$|^-c(.+)$/s,
  file: /^(-[a-zA-Z0-9]*f|--file)/,
  reads: true,
}
const mysql: Client = {
  dialect: 'mysql',
  sql: /^(?:-[a-zA-Z]*e|--execute|--init-command)(?:=|$)(.*)$|^-e(.+)$/s,
  reads: true,
}
const sqlite: Client = {
  dialect: 'sqlite',
  sql: /^--?(?:cmd|c)(?:=|$)(.*)$/s,
  file: /^--?init/,
  operands: 1,
  reads: true,
}
const other: Client = {
  dialect: 'unknown',
  sql: /^(?:-[a-zA-Z]*[cegqQ]|--(?:execute|query|command))(?:=|$)(.*)$/s,
  file: /^(-[a-zA-Z]*[fi]|--(file|queries-file|input-file))/,
  reads: true,
}

const clients: ReadonlyMap<string, Client> = new Map<string, Client>([
  ['psql', psql],
  ['pgcli', psql],
  ['usql', { ...psql, dialect: 'unknown' }],
  ['cockroach', { ...other, dialect: 'postgres' }],
  ['ysqlsh', psql],
  ['mysql', mysql],
  ['mariadb', mysql],
  ['mycli', mysql],
  ['sqlite3', sqlite],
  ['sqlite', sqlite],
  ['litecli', sqlite],
  ['duckdb', sqlite],
  ['bq', { dialect: 'unknown', operands: 1, reads: true }],
  ['sqlcmd', other],
  ['clickhouse-client', other],
  ['clickhouse', other],
  ['trino', other],
  ['presto', other],
  ['snowsql', other],
  ['hive', other],
  ['beeline', other],
  ['spark-sql', other],
  ['cqlsh', other],
  ['isql', other],
  ['sqlplus', other],
])

/** Says which SQL a command gives to a database. @param walk describes a script that a client's command runs. */
export function commandSql(
  name: string,
  args: readonly Token[],
  stdin: Stdin,
  state: ShellState,
  walk: (script: string) => void,
): void {
  const client = clients.get(name)
  if (name === 'pg_restore') state.noSql('file')
  if (client === undefined) return perhapsSql(name, args, stdin, state)
  let given = false
  const give = (text: string, dynamic: boolean): void => {
    given = true
    if (dynamic) state.noSql('script')
    const sql = withoutClientCommands(text, state, walk)
    if (sql.trim() !== '') state.givesSql({ text: sql, dialect: client.dialect })
  }
  const operands: Token[] = []
  for (let k = 0; k < args.length; k++) {
    const word = args[k]
    if (word === undefined) break
    if (!word.value.startsWith('-')) operands.push(word)
    const option = client.sql?.exec(word.value)
    if (option) {
      const glued = option[1] ?? option[2] ?? ''
      const next = glued === '' ? args[++k] : undefined
      if (glued !== '' || next) give(next?.value ?? glued, word.dynamic || next?.dynamic === true)
    } else if (client.file?.test(word.value)) {
      given = true
      state.noSql('file')
    } else if (word.dynamic && word.value.startsWith('-')) state.noSql('script')
  }
  if (client.operands !== undefined)
    for (const word of operands.slice(client.operands)) give(word.value, word.dynamic)
  if (given || !client.reads || stdin.kind === 'none') return
  if (stdin.kind === 'literal') give(stdin.text, false)
  else state.noSql(stdin.kind === 'file' ? 'file' : 'script')
}

/** Programs whose words are text, or that only pass on what they read. */
const noDatabase =
  /^(echo|printf|cat|tac|tee|head|tail|[efg]?grep|rg|ag|sed|[gm]?awk|git|gh|glab|hub|jq|yq|sort|uniq|wc|tr|cut|less|more|diff|test|\[|curl|wget|http|mail|npm|yarn|pnpm|cd|ls)$/

/** Text that begins like SQL may be meant for a database that is not known here. */
function perhapsSql(name: string, args: readonly Token[], stdin: Stdin, state: ShellState): void {
  if (noDatabase.test(name)) return
  const texts = args.map((word) => word.value.replace(/^--?[\w-]+=/, ''))
  if (stdin.kind === 'literal') texts.push(stdin.text)
  for (const text of texts)
    if (/\s/.test(text) && beginsLikeSql(text))
      state.givesSql({ text, dialect: 'unknown', perhaps: true })
}

/**
 * Takes the commands of the client itself out: lines that begin with `\` (psql) or `.` (sqlite3). Those that only show
 * something go without a word; a shell's are looked into; anything else is undetermined.
 */
function withoutClientCommands(
  text: string,
  state: ShellState,
  walk: (script: string) => void,
): string {
  const kept: string[] = []
  for (const line of text.split('\n')) {
    const [, shell] = /^\s*(?:\\!|\.(?:shell|system)\b)(.*)$/.exec(line) ?? []
    if (shell !== undefined) walk(shell)
    // Nothing in it could end a string or a comment that began on a line before.
    if (/^\s*\\(d\w*\+?|l\+?|z|conninfo|timing|x|q|echo|encoding)(\s[\w .*?]*)?$/.test(line))
      continue
    if (
      /^\s*\.(tables?|schema|mode|headers?|databases|indexes|indices|width|quit|exit|timer|dump)(\s[\w .]*)?$/.test(
        line,
      )
    )
      continue
    if (/^\s*[\\.]/.test(line)) state.noSql('client command')
    else kept.push(line)
  }
  return kept.join('\n')
}
