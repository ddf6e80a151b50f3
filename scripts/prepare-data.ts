import type { z } from 'zod'
import type { LimitObligation, RecordObligation } from '../pdp/contract/obligation.ts'
import { ADMINISTRATION } from '../pdp/contract/administration.ts'
import { extractionProfile, type ExtractionProfile } from '../pdp/contract/profile.ts'
import { compileCustom } from '../pep/mask/detectors/custom.ts'
import { builtinNames } from '../pep/mask/types.ts'
import {
  addGrant,
  addRestriction,
  administrationIndex,
  emptyIndex,
  exception,
} from './policy-data/index.ts'
import type { PreparedConnection, PreparedData } from './policy-data/prepared.ts'
import { tables, type TableName, type Tables, type Who } from './policy-data/sources.ts'

/** What a bundle carries beside its rules. */
export type Prepared = { data: Record<string, unknown>; profile: ExtractionProfile }

/**
 * Validates and compiles `rego/data/*.yaml`.
 * @param sources parsed YAML by file name without extension; `grants.<team>` adds to `grants`.
 * @returns `data` as `data.json` holds it (all below `countersign`), and the extraction profile.
 * @throws {Error} naming the file, the place in it and what to do. Nothing is skipped: a policy that is not
 *   understood whole is not built.
 */
export function prepareData(sources: Readonly<Record<string, unknown>>): Prepared {
  const read = readTables(sources)
  const known = [...new Set(read.grants.map((grant) => grant.connection))].sort()
  checkReferences(read, known)
  const connections = Object.fromEntries([
    ...known.map((name) => [name, connection(name, read)] as const),
    [ADMINISTRATION, administration(read)] as const,
  ])
  const messages = Object.fromEntries([
    ...read.grants.map((grant) => [`grant.${grant.id}`, grant.description] as const),
    ...read.deny.map((rule) => [`deny.${rule.id}`, rule.message] as const),
    ...read.approvals.map((rule) => [`approval.${rule.id}`, rule.message] as const),
    ...read.administration.map((rule) => [`administration.${rule.id}`, rule.description] as const),
  ])
  const countersign: PreparedData = { connections, messages }
  return { data: { countersign }, profile: profile(read, known) }
}

function fail(file: string, problem: string): never {
  throw new Error(`rego/data/${file}.yaml: ${problem}`)
}

function readTables(sources: Readonly<Record<string, unknown>>): Tables {
  const found = Map.groupBy(Object.keys(sources).sort(), (file) => file.split('.')[0] ?? '')
  for (const [name, [file = name]] of found) {
    if (!Object.hasOwn(tables, name))
      fail(file, `no such table; there are ${Object.keys(tables).join(', ')}`)
  }
  const read = Object.fromEntries(
    (Object.keys(tables) as TableName[]).map((name) => {
      const files = found.get(name)
      // A table that is gone would take its rules with it unseen.
      if (files === undefined) fail(name, 'is missing; write [] or {} when there is nothing to say')
      return [name, mergeFiles(name, files, sources)]
    }),
  )
  return read as unknown as Tables // each table went through its own schema
}

function mergeFiles(
  name: TableName,
  files: readonly string[],
  sources: Readonly<Record<string, unknown>>,
): unknown {
  const parts = files.map((file) => parseTable(tables[name], file, sources[file]))
  if (parts.length === 1) return parts[0]
  if (!parts.every(Array.isArray)) fail(files[1] ?? name, `only lists may be spread over files`)
  return parts.flat()
}

function parseTable(schema: z.ZodType, file: string, source: unknown): unknown {
  const parsed = schema.safeParse(source)
  if (parsed.success) return parsed.data
  return fail(file, parsed.error.issues.map(issueText).join('; '))
}

/** The innermost problem: what is wrong with a key, where one is. */
function issueText(issue: z.core.$ZodIssue): string {
  const inner = issue.code === 'invalid_key' ? issue.issues[0] : undefined
  return `${pathText(issue.path)}: ${inner?.message ?? issue.message}`
}

const pathText = (path: readonly PropertyKey[]): string =>
  path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('') || '.'

/** What one table says of another: a name that is nowhere defined would be a rule without effect. */
function checkReferences(read: Tables, known: readonly string[]): void {
  unique(
    'grants',
    read.grants.map(({ id }) => id),
  )
  unique(
    'deny',
    read.deny.map(({ id }) => id),
  )
  unique(
    'approvals',
    read.approvals.map(({ id }) => id),
  )
  unique(
    'taints',
    read.taints.map(({ id }) => id),
  )
  unique(
    'administration',
    read.administration.map(({ id }) => id),
  )
  unique(
    'masks',
    read.masks.map(({ id }) => id),
  )
  unique(
    'phrases',
    read.phrases.map(({ name }) => name),
  )
  unique(
    'detectors',
    read.detectors.map(({ name }) => name),
  )

  const customs = read.detectors.map((custom) => `custom:${custom.name}`)
  const detectors = new Set<string>([...builtinNames, ...customs])
  const lists = new Set(read.phrases.map((list) => list.name))
  const one = (
    file: string,
    where: string,
    names: ReadonlySet<string>,
    name: string,
    kind: string,
  ) => {
    if (!names.has(name))
      fail(file, `${where}: "${name}" is not ${kind} (${[...names].join(', ')})`)
  }
  const connections = new Set(['*', ...known])
  const connected = (file: string, where: string, name: string) =>
    one(file, where, connections, name, 'a connection of grants.yaml')

  if (known.includes(ADMINISTRATION))
    fail('grants', `"${ADMINISTRATION}" is the connection of administration.yaml`)
  for (const rule of read.administration)
    for (const name of rule.connections ?? []) connected('administration', rule.id, name)
  for (const custom of read.detectors) {
    try {
      compileCustom(custom)
    } catch (error) {
      fail('detectors', `${custom.name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const tainting = new Set(read.taints.map((taint) => taint.id))
  for (const table of ['deny', 'approvals'] as const)
    for (const rule of read[table])
      for (const name of rule.after ?? [])
        one(table, rule.id, tainting, name, 'a taint of taints.yaml')
  for (const table of ['deny', 'approvals', 'taints'] as const) {
    for (const rule of read[table]) {
      for (const name of rule.connections)
        // Who is never to administer anything is denied as everywhere else; nobody approves it.
        if (table !== 'deny' || name !== ADMINISTRATION) connected(table, rule.id, name)
      for (const name of Object.keys(rule.findings ?? {}))
        one(table, rule.id, detectors, name, 'a detector')
      for (const name of rule.tool?.phrases ?? [])
        one(table, rule.id, lists, name, 'a list of phrases.yaml')
    }
  }
  for (const mask of read.masks) {
    for (const name of mask.connections) connected('masks', mask.id, name)
    for (const name of mask.detectors ?? []) one('masks', mask.id, detectors, name, 'a detector')
  }
  for (const table of ['prompts', 'features', 'limits', 'record'] as const)
    for (const name of Object.keys(read[table])) connected(table, name, name)
  for (const [name, prompt] of Object.entries(read.prompts))
    for (const list of prompt.forbidden_phrases)
      one('prompts', name, lists, list, 'a list of phrases.yaml')
  for (const name of read.extraction.inspect_bodies) connected('extraction', 'inspect_bodies', name)
  for (const name of read.extraction.detectors)
    one('extraction', 'detectors', detectors, name, 'a detector')
}

function unique(file: string, ids: readonly string[]): void {
  const twice = ids.find((id, at) => ids.indexOf(id) !== at)
  if (twice !== undefined) fail(file, `"${twice}" is there twice`)
}

const applies = (connections: readonly string[], name: string): boolean =>
  connections.includes('*') || connections.includes(name)

/** A setting of the connection itself, else that of `*`. */
const setting = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  table[name] ?? table['*']

/** Everything the rules look up for one connection. */
function connection(name: string, read: Tables): PreparedConnection {
  const grants = emptyIndex()
  const deny = emptyIndex()
  const approvals = emptyIndex()
  for (const grant of read.grants) if (grant.connection === name) addGrant(grants, grant)
  for (const rule of read.deny)
    if (applies(rule.connections, name)) addRestriction(deny, 'deny', rule)
  for (const rule of read.approvals)
    if (applies(rule.connections, name)) addRestriction(approvals, 'approval', rule)
  const taints = emptyIndex()
  for (const rule of read.taints)
    if (applies(rule.connections, name)) addRestriction(taints, 'taint', rule)
  const masks = read.masks.filter((mask) => applies(mask.connections, name))
  const limit = setting(read.limits, name)
  const body = setting(read.record, name)
  const limits: LimitObligation[] = limit ? [{ kind: 'limit', ...limit }] : []
  const records: RecordObligation[] = body ? [{ kind: 'record', body }] : []
  return {
    claims: claimNames(read),
    grants,
    deny,
    approvals,
    taints,
    flows: [...read.deny, ...read.approvals].some(
      (rule) => rule.after !== undefined && applies(rule.connections, name),
    ),
    masks_disjoint: disjoint(masks),
    masks: masks.map(({ where, detectors, fields, style, observe, restore, except }) => ({
      ...exception(except),
      mask: {
        kind: 'mask',
        where,
        ...(detectors && { detectors: [...new Set(detectors)].sort() }),
        ...(fields && { fields: [...new Set(fields)].sort() }),
        style,
        ...(observe && { observe }),
        ...(restore && { restore }),
      },
    })),
    prompts: setting(read.prompts, name) ?? { forbidden_phrases: [] },
    // Without a word on it, what is unknown is refused.
    features: setting(read.features, name) ?? {
      betas: 'refuse',
      unknown_fields: 'refuse',
      unknown_blocks: 'refuse',
      uninspected_blocks: 'refuse',
    },
    must_inspect: mustInspect(read, name),
    duties: {
      request: [...limits, ...records],
      // A tool call in a reply has no response of its own to limit.
      tool_use: records,
    },
  }
}

/**
 * What the rules look up for what people do to the evidence. Restrictions of all connections reach it; there is no body
 * to mask, limit or record, and no session that would have seen something.
 */
function administration(read: Tables): PreparedConnection {
  const prepared = connection(ADMINISTRATION, read)
  return {
    ...prepared,
    taints: emptyIndex(),
    flows: false,
    administration: administrationIndex(read.administration),
    masks_disjoint: true,
    masks: [],
    must_inspect: false,
    duties: { request: [], tool_use: [] },
  }
}

const restrictionsOf = (read: Tables) => [...read.deny, ...read.approvals, ...read.taints]

/** Whether no detector or field is named by two masks of one direction; then nothing has to be merged. */
function disjoint(masks: Tables['masks']): boolean {
  const names = masks.flatMap(({ where, detectors = [], fields = [] }) =>
    [...new Set([...detectors, ...fields])].map((name) => `${where} ${name}`),
  )
  return new Set(names).size === names.length
}

/** Names of the claims that any clause asks for. */
function claimNames(read: Tables): string[] {
  const clauses: (Who | undefined)[] = [
    ...read.grants.map((grant) => grant.who),
    ...restrictionsOf(read).flatMap((rule) => [rule.who, rule.except]),
    ...read.masks.map((mask) => mask.except),
    ...read.administration.map((rule) => rule.who),
  ]
  return [...new Set(clauses.flatMap((who) => Object.keys(who?.claims ?? {})))].sort()
}

/** Whether a condition depends on the body of requests on this connection. */
function mustInspect(read: Tables, name: string): boolean {
  const rules = restrictionsOf(read).filter((rule) => applies(rule.connections, name))
  const grants = read.grants.filter((grant) => grant.connection === name)
  return (
    rules.some((rule) => rule.http?.body !== undefined || rule.findings !== undefined) ||
    grants.some((grant) => grant.http?.body !== undefined) ||
    (setting(read.prompts, name)?.forbidden_phrases.length ?? 0) > 0
  )
}

/** Whatever a condition uses is extracted. */
function profile(read: Tables, known: readonly string[]): ExtractionProfile {
  const rules = restrictionsOf(read)
  const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort()
  const lists = new Set([
    ...Object.values(read.prompts).flatMap((prompt) => prompt.forbidden_phrases),
    ...rules.flatMap((rule) => rule.tool?.phrases ?? []),
  ])
  return extractionProfile.parse({
    detectors: sorted([
      ...read.extraction.detectors,
      ...rules.flatMap((rule) => Object.keys(rule.findings ?? {})),
    ]),
    custom_detectors: read.detectors,
    phrases: read.phrases.filter((list) => lists.has(list.name)),
    json_paths: sorted([
      ...read.extraction.json_paths,
      ...[...read.grants, ...rules].flatMap((rule) => Object.keys(rule.http?.body ?? {})),
    ]),
    inspect_bodies: sorted([
      ...read.extraction.inspect_bodies,
      ...known.filter((name) => mustInspect(read, name)),
    ]),
  })
}
