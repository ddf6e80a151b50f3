import { canonicalJson } from '../../pdp/contract/action.ts'
import { administrativeResources } from '../../pdp/contract/administration.ts'
import { compileNames, compilePath } from './patterns.ts'
import type {
  Entry,
  Exception,
  Index,
  NamedCondition,
  NameIndex,
  NameSet,
  Node,
  When,
} from './prepared.ts'
import type {
  AdministrationSource,
  ApprovalSource,
  Condition,
  DenySource,
  GrantSource,
  TaintSource,
  Who,
} from './sources.ts'

/**
 * Grants and restrictions as the rules look them up: by what is asked for (method and literal path prefix, model,
 * tool), then by principal. A decision looks only at entries that are about its own request and subject, however
 * many there are.
 */

/** Objects whose keys come from data: without a prototype, so that no key means anything to JavaScript. */
const dictionary = <T>(): Record<string, T> => Object.create(null) as Record<string, T>

export function emptyIndex(): Index {
  const names = (): NameIndex => ({ exact: dictionary(), lengths: [], starts: dictionary() })
  return { http: dictionary(), models: names(), tools: names(), all: dictionary() }
}

/**
 * The principals that a clause names; a subject has its own by the same spelling (`lib/subject.rego`). The first
 * letter tells the kinds apart; a claim's value is JSON, so that "1" and 1 differ.
 */
export function principals(who: Who | undefined): string[] {
  if (who === undefined || who.anyone === true) return ['*']
  const { groups = [], scopes = [], subjects = [], claims = {} } = who
  return [
    ...groups.map((group) => `g:${group}`),
    ...scopes.map((scope) => `s:${scope}`),
    ...subjects.map((subject) => `i:${subject}`),
    ...Object.entries(claims).flatMap(([name, values]) =>
      values.map((value) => `c:${name}=${canonicalJson(value)}`),
    ),
  ]
}

function place(node: Node, who: Who | undefined, entry: Entry): void {
  for (const principal of principals(who)) (node[principal] ??= []).push(entry)
}

function placePath(
  index: Index['http'],
  method: string,
  pattern: string,
  who: Who | undefined,
  entry: Entry,
): void {
  const { prefix, rest } = compilePath(pattern)
  const table = (index[method] ??= { depths: [], at: dictionary() })
  if (!table.depths.includes(prefix.length)) table.depths.push(prefix.length)
  place((table.at[prefix.join('/')] ??= dictionary()), who, { ...entry, path: rest })
}

function placeNames(
  index: NameIndex,
  patterns: readonly string[],
  who: Who | undefined,
  entry: Entry,
): void {
  for (const pattern of patterns) {
    if (!pattern.endsWith('*')) place((index.exact[pattern] ??= dictionary()), who, entry)
    else {
      const start = pattern.slice(0, -1)
      const length = Array.from(start).length // Rego counts code points
      if (!index.lengths.includes(length)) index.lengths.push(length)
      place((index.starts[start] ??= dictionary()), who, entry)
    }
  }
}

const named = (conditions: Readonly<Record<string, Condition>>): NamedCondition[] =>
  Object.entries(conditions).map(([of, condition]) => ({ of, ...condition }))

/** Leaves out what is undefined, and the whole when nothing is left: most entries have no further condition. */
function present<T extends object>(value: T): T | undefined {
  const entries = Object.entries(value).filter(([, part]) => part !== undefined)
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T)
}

const restrict = (who: Who | undefined): Pick<When, 'issuers' | 'types'> => ({
  ...(who?.issuers && { issuers: who.issuers }),
  ...(who?.types && { types: who.types }),
})

export function exception(except: Who | undefined): { except?: Exception } {
  if (except === undefined) return {}
  const held = Object.fromEntries(principals(except).map((principal) => [principal, true] as const))
  return { except: { principals: held, ...restrict(except) } }
}

const acceptKinds = [
  'server_tools',
  'mcp_servers',
  'url_sources',
  'provider_features',
  'betas',
  'unknown_fields',
  'unknown_blocks',
  'uninspected_blocks',
] as const

export function addGrant(index: Index, grant: GrantSource): void {
  const { who, http, anthropic, incomplete } = grant
  const accepted = present({ ...(incomplete && { incomplete: compileNames(incomplete) }) })
  const base = (when: When | undefined, accepts: Entry['accepts']): Entry => ({
    rule: `grant.${grant.id}`,
    ...(when && { when }),
    ...(accepts && { accepts }),
  })
  if (http) {
    const when = present<When>({
      ...restrict(who),
      ...(http.query && { query: named(http.query) }),
      ...(http.body && { body: named(http.body) }),
      ...(http.content_types && { content_types: http.content_types }),
    })
    const entry = base(when, accepted)
    for (const method of http.methods)
      for (const path of http.paths) placePath(index.http, method, path, who, entry)
  }
  if (anthropic) {
    const when = present<When>(restrict(who))
    const accepts: Record<string, NameSet> = { ...accepted }
    for (const kind of acceptKinds) {
      const patterns = anthropic[kind]
      if (patterns) accepts[kind] = compileNames(patterns)
    }
    placeNames(index.models, anthropic.models, who, base(when, present(accepts)))
    const restores = anthropic.restore_tools && {
      restore_tools: compileNames(anthropic.restore_tools),
    }
    const onTools = present({ ...accepted, ...restores })
    placeNames(index.tools, anthropic.tools, who, base(when, onTools))
    place(index.all, who, base(when, accepted)) // requests that choose no model: the list of models
  }
}

export function addRestriction(
  index: Index,
  kind: 'deny' | 'approval' | 'taint',
  source: DenySource | ApprovalSource | TaintSource,
): void {
  const { who, http, model, tool, findings } = source
  const when = present<When>({
    ...restrict(who),
    ...(http?.query && { query: named(http.query) }),
    ...(http?.body && { body: named(http.body) }),
    ...(tool?.is && { is: tool.is }),
    ...(tool?.tables && { tables: compileNames(tool.tables) }),
    ...(tool?.phrases && { phrases: tool.phrases }),
    ...(findings && { findings: Object.entries(findings) }),
    ...('after' in source && source.after && { after: source.after }),
  })
  const entry: Entry = {
    rule: `${kind}.${source.id}`,
    ...(when && { when }),
    ...exception(source.except),
    ...(kind === 'taint' && { taint: source.id }),
    ...('approvers' in source && {
      approval: {
        approvers: source.approvers,
        count: source.count,
        wait_s: source.wait_s,
        valid_s: source.valid_s,
      },
    }),
  }
  if (http)
    for (const method of http.methods)
      // Folded, as the paths that restrictions are compared with are: an upstream may not tell case apart.
      for (const path of http.paths) placePath(index.http, method, path.toLowerCase(), who, entry)
  else if (model) placeNames(index.models, model.names, who, entry)
  else if (tool) placeNames(index.tools, tool.names, who, entry)
  else place(index.all, who, entry)
}

/** Entries of administration.yaml by action, then by principal. */
export function administrationIndex(
  sources: readonly AdministrationSource[],
): Record<string, Node> {
  const index = dictionary<Node>()
  for (const { id, who, actions, connections, reason_required, own_sessions } of sources) {
    const when = present<When>(restrict(who))
    for (const action of new Set(actions))
      place((index[action] ??= dictionary()), who, {
        rule: `administration.${id}`,
        ...(when && { when }),
        administration: {
          resources: [...administrativeResources[action]],
          reason_required,
          own_sessions,
          ...(connections && { connections }),
        },
      })
  }
  return index
}
