import type { SqlStatement } from '../../pdp/contract/facts.ts'

/** Kinds of statements by libpg_query's node names; a `Create…` or `Alter…` that is not named here is that. */
export const kinds: ReadonlyMap<string, SqlStatement['kind']> = new Map([
  ['SelectStmt', 'select'],
  ['InsertStmt', 'insert'],
  ['UpdateStmt', 'update'],
  ['DeleteStmt', 'delete'],
  ['MergeStmt', 'merge'],
  ['TruncateStmt', 'truncate'],
  ['DropStmt', 'drop'],
  ['DropdbStmt', 'drop'],
  ['DropRoleStmt', 'drop'],
  ['DropOwnedStmt', 'drop'],
  ['DropTableSpaceStmt', 'drop'],
  ['DropUserMappingStmt', 'drop'],
  ['DropSubscriptionStmt', 'drop'],
  ['ViewStmt', 'create'],
  ['IndexStmt', 'create'],
  ['RuleStmt', 'create'],
  ['DefineStmt', 'create'],
  ['CompositeTypeStmt', 'create'],
  ['RenameStmt', 'alter'],
  ['GrantStmt', 'grant'],
  ['GrantRoleStmt', 'grant'],
  ['AlterDefaultPrivilegesStmt', 'grant'],
  ['CopyStmt', 'copy'],
  ['DoStmt', 'do'],
  ['CallStmt', 'call'],
  ['VariableSetStmt', 'set'],
  ['VariableShowStmt', 'set'],
  ['TransactionStmt', 'transaction'],
])

/** Nodes that change data wherever they stand. */
export const changes: ReadonlySet<string> = new Set([
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
])

/** Statements around one that they run, or will. */
export const around: ReadonlySet<string> = new Set([
  'ExplainStmt',
  'PrepareStmt',
  'DeclareCursorStmt',
])

/** Kinds of statements that change nothing by themselves. */
export const quiet: ReadonlySet<string> = new Set([
  'SelectStmt',
  'VariableSetStmt',
  'VariableShowStmt',
  'TransactionStmt',
  'ExplainStmt',
  'PrepareStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'DeallocateStmt',
  'DiscardStmt',
  'ListenStmt',
  'UnlistenStmt',
  'ConstraintsSetStmt',
])

/** Statements, and languages, whose text is run by the server and not parsed here. */
export const code: ReadonlySet<string> = new Set([
  'DoStmt',
  'ExecuteStmt',
  'LoadStmt',
  'CreateFunctionStmt',
  'CreateExtensionStmt',
  'CreatePLangStmt',
  'CreateEventTrigStmt',
])

/** Functions that run SQL which they are given as text. PostgreSQL 18, chapters 9 and F. */
export const runsText: ReadonlySet<string> = new Set([
  'connectby',
  'crosstab',
  'crosstab2',
  'crosstab3',
  'crosstab4',
  'dblink',
  'dblink_exec',
  'dblink_open',
  'dblink_send_query',
  'query_to_xml',
  'query_to_xml_and_xmlschema',
  'query_to_xmlschema',
  'schedule',
  'schedule_in_database',
  'ts_rewrite',
  'ts_stat',
])

/** Functions that change something: data, files of the server, its configuration, other sessions. */
export const effects: RegExp =
  /^(dblink|lo_(create|export|from_bytea|import|put|truncate|unlink)|lowrite|nextval|setval|set_config|pg_(advisory|backup|cancel|create|drop|file|import|log_standby|logical|promote|reload|replication|rotate|start|stop|stat_reset|switch|terminate|wal_replay|write|extension_config)|clear_stats|schedule|unschedule|adminpack|xp_)/

/** Beside a text's first word, what makes it look like SQL. MySQL's and SQLite's words as well: those do not parse. */
const words =
  'abort|alter|analyze|analyse|attach|begin|call|checkpoint|close|cluster|comment|commit|copy|create|deallocate|declare|' +
  'delete|describe|detach|discard|do|drop|end|exec|execute|explain|fetch|grant|import|insert|listen|load|lock|merge|move|' +
  'notify|optimize|pragma|prepare|reassign|refresh|reindex|release|rename|replace|reset|revoke|rollback|savepoint|security|' +
  'select|set|show|start|table|truncate|unlisten|update|upsert|use|vacuum|values|with'

/** Whether a text begins with a word of SQL. */
export const sqlStart: RegExp = new RegExp(`^(${words})(?![\\w-])`, 'i')
