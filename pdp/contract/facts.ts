import { z } from 'zod'

/**
 * What a PEP extracts from a request so that policy never runs patterns over raw text. Facts stay a few
 * KiB whatever the size of the request: what does not fit, or could not be parsed, is named in
 * `incomplete`, and the default policy denies a request whose facts are incomplete.
 */

const counts = z.record(z.string(), z.int().nonnegative())

/** The parts of an HTTP request that policy may see. Header values other than these are never facts. */
export const httpFacts = z.strictObject({
  method: z.string(),
  path: z.string(),
  /** The path split at `/`, percent-decoded, without the leading empty segment. */
  segments: z.array(z.string()),
  query: z.record(z.string(), z.array(z.string())),
  content_type: z.string().optional(),
  /** Bytes of the body; -1 when it streams and its length is not declared. */
  body_bytes: z.int(),
  /** Whether the body was read whole and scanned. */
  inspected: z.boolean(),
})

/** What a Messages API request asks for. Names as in Anthropic's API reference. */
export const anthropicFacts = z.strictObject({
  model: z.string(),
  stream: z.boolean(),
  max_tokens: z.int().optional(),
  messages: z.int(),
  /** Names of client tools offered to the model. */
  tools: z.array(z.string()),
  /** Types of tools that run at the provider, e.g. `web_search_20250305`. */
  server_tools: z.array(z.string()),
  /** Hosts of `mcp_servers` the provider would connect to. */
  mcp_servers: z.array(z.string()),
  /** Hosts the provider would fetch from: `source.type: url`. */
  url_sources: z.array(z.string()),
  /** Other features that run or keep data at the provider: `container`, `file` sources, … */
  provider_features: z.array(z.string()),
  betas: z.array(z.string()),
  /** Top-level request fields this PEP does not know. They are forwarded unless policy refuses. */
  unknown_fields: z.array(z.string()),
  /** Content block types this PEP does not know and so did not inspect. */
  unknown_blocks: z.array(z.string()),
  /** Block types that are known but not inspected (images, base64 documents, …). */
  uninspected_blocks: z.array(z.string()),
  /** An upper estimate of input tokens, made without the provider. */
  token_estimate: z.int().nonnegative(),
})

/** A file that a tool call names. */
export const filePath = z.strictObject({
  /**
   * Normalised: `/a/./b/../c` is `/a/c`, the home folder is `~`, `\\` is `/`, a relative path keeps a leading `../`.
   * Case is kept, and so is a variable (`$DIR/a`) or a glob; a glob that fits a well-known file names that as well.
   */
  path: z.string(),
  /** `unknown`: the call may do any of them. */
  op: z.enum(['read', 'write', 'delete', 'execute', 'unknown']),
})

/** A host that a tool call would reach. */
export const reachedHost = z.strictObject({
  /** Lower case, without port; `?` when it cannot be told. */
  host: z.string(),
  /** The program or the tool that reaches it. */
  by: z.string(),
  /** Whether data of the caller's goes there: a body, an uploaded file, what a command printed. */
  sends: z.boolean(),
})

/** A tool call the model asks the agent's harness to make. */
export const toolFacts = z.strictObject({
  name: z.string(),
  /** Set when the name is `mcp__<server>__<tool>`. */
  mcp: z.strictObject({ server: z.string(), tool: z.string() }).optional(),
  input_bytes: z.int().nonnegative(),
  /**
   * Top-level string fields of the input: `file_path`, `url`, … Documents (`content`, `new_string`, …) are cut at 512
   * characters; others past 8 Ki, and then `incomplete` says so.
   */
  input: z.record(z.string(), z.string()),
  /** Files that its fields and its command name. */
  paths: z.array(filePath),
  /** Hosts that its fields and its command name. */
  hosts: z.array(reachedHost),
})

/** One simple command of a shell script, after quotes are removed and wrappers are looked through. */
export const shellCommand = z.strictObject({
  /** Base name of the program, e.g. `rm` for `/bin/rm`; `?` when it cannot be determined. */
  name: z.string(),
  args: z.array(z.string()),
  /** Short flags one by one (`-r`, `-f` for `-rf`) and long ones without values (`--force`). */
  flags: z.array(z.string()),
  /** Wrappers in front of it: `sudo`, `env`, `xargs`, `nohup`, … */
  wrappers: z.array(z.string()),
})

/** A shell script as its parsed parts (bash grammar). */
export const shellFacts = z.strictObject({
  commands: z.array(shellCommand),
  /** Interpreters that are fed by a pipe, a here-document or a process substitution: `sh`, `python`, … */
  pipes_into: z.array(z.string()),
  redirects: z.array(z.strictObject({ op: z.string(), target: z.string() })),
  substitutions: z.int().nonnegative(),
  /** Parts whose effect cannot be determined: expansions as a command name, `eval`, decode-and-run, … */
  undetermined: z.array(z.string()),
  /**
   * Programs in languages that are not parsed, unless they are plainly harmless: `python` for `python -c '…'`, and
   * `written file` for a file that the script writes and then runs.
   */
  code: z.array(z.string()),
})

export const sqlKind = z.enum([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'truncate',
  /** Also ALTER TABLE … DROP COLUMN. */
  'drop',
  'create',
  'alter',
  /** Also REVOKE. */
  'grant',
  'copy',
  'do',
  'call',
  /** SET, RESET and SHOW. */
  'set',
  'transaction',
  'other',
])

/** One SQL statement; one that changes data inside another (`WITH x AS (DELETE …)`) is a statement of its own. */
export const sqlStatement = z.strictObject({
  kind: sqlKind,
  /** Lower case, qualified as they were written; names of common table expressions are none. */
  tables: z.array(z.string()),
  /** Columns that it names, lower case, without their tables; `*` for all of them. */
  columns: z.array(z.string()).optional(),
  /** Whether it changes anything, as far as its text tells: also a SELECT of a function that is known to. */
  writes: z.boolean(),
  /** Whether an UPDATE or DELETE says which rows; `WHERE true` does not. */
  has_where: z.boolean(),
  /** Functions that it calls, lower case, without `pg_catalog`. */
  functions: z.array(z.string()),
  /** What COPY reads or writes beside the table: a file or a program of the server, or the client's own streams. */
  copies: z.enum(['file', 'program', 'client']).optional(),
})

/** SQL in a tool call, by PostgreSQL's own grammar. */
export const sqlFacts = z.strictObject({
  statements: z.array(sqlStatement),
  /**
   * Why more may run than the statements say: `syntax` (not parsed), `dialect` (databases read it in several ways), `code`
   * (DO, EXECUTE, text that a function runs), `script` (only running tells the text), `file` (it is in a file),
   * `client command` (of psql and the like).
   */
  undetermined: z.array(z.string()),
})

/** Why a person would do something to the evidence, and to whose. Only the decision service states it. */
export const adminFacts = z.strictObject({
  /** In the person's own words; white space alone is none. */
  reason: z.string().min(1).max(500).optional(),
  /** Whose session it is about. */
  subject: z.strictObject({ issuer: z.string().min(1), id: z.string().min(1).max(512) }).optional(),
  /** Connections whose content it reaches. */
  connections: z.array(z.string()).optional(),
  /** Milliseconds since the epoch: from, and until before. */
  since_ms: z.int().nonnegative().optional(),
  until_ms: z.int().nonnegative().optional(),
})

export const facts = z.strictObject({
  /** Findings by detector name, counts only. */
  detectors: counts,
  /** Names of the phrase lists of the extraction profile that matched. */
  phrases: z.array(z.string()),
  /** Scalars found at the JSON paths of the extraction profile, by path. */
  paths: z.record(z.string(), z.array(z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  /** Why these facts do not tell everything; empty when they do. */
  incomplete: z.array(z.string()),
  http: httpFacts.optional(),
  anthropic: anthropicFacts.optional(),
  tool: toolFacts.optional(),
  shell: shellFacts.optional(),
  sql: sqlFacts.optional(),
  admin: adminFacts.optional(),
})

export type HttpFacts = z.infer<typeof httpFacts>
export type AnthropicFacts = z.infer<typeof anthropicFacts>
export type ToolFacts = z.infer<typeof toolFacts>
export type ShellCommand = z.infer<typeof shellCommand>
export type ShellFacts = z.infer<typeof shellFacts>
export type FilePath = z.infer<typeof filePath>
export type ReachedHost = z.infer<typeof reachedHost>
export type SqlStatement = z.infer<typeof sqlStatement>
export type SqlFacts = z.infer<typeof sqlFacts>
export type AdminFacts = z.infer<typeof adminFacts>
export type Facts = z.infer<typeof facts>
