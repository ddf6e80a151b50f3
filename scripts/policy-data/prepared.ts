import { z } from 'zod'
import {
  approveObligation,
  limitObligation,
  maskObligation,
  recordObligation,
} from '../../pdp/contract/obligation.ts'

/**
 * `data.countersign` as the rules see it: types for `prepareData`, and a JSON Schema of a connection for OPA's type
 * checker, which knows objects with fixed keys only.
 */

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const restriction = {
  issuers: z.array(z.string()).optional(),
  types: z.array(z.string()).optional(),
}

/** Names by what they equal, begin with and end in. */
const nameSet = z.strictObject({
  exact: z.record(z.string(), z.literal(true)),
  starts: z.array(z.string()),
  ends: z.array(z.string()),
})

/** What is left of a path pattern after its literal prefix. Position 0 is the empty text before the first slash. */
const pathRest = z.strictObject({
  /** Positions the whole path must have (at least, when `open`). */
  length: z.int(),
  open: z.boolean(),
  /** Positions that must equal a literal. */
  fixed: z.array(z.array(z.union([z.int(), z.string()]))),
  /** Positions that must not be empty. */
  any: z.array(z.int()),
})

/** A condition with the parameter or JSON path that it is about. */
const namedCondition = z.strictObject({
  of: z.string(),
  one_of: z.array(scalar).optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  absent: z.literal(true).optional(),
})

/** What must hold beside the place in the index. */
const when = z.strictObject({
  ...restriction,
  query: z.array(namedCondition).optional(),
  body: z.array(namedCondition).optional(),
  content_types: z.array(z.string()).optional(),
  is: z.array(z.string()).optional(),
  tables: nameSet.optional(),
  phrases: z.array(z.string()).optional(),
  findings: z.array(z.array(z.union([z.string(), z.int()]))).optional(),
  after: z.array(z.string()).optional(),
})

const exception = z.strictObject({
  ...restriction,
  principals: z.record(z.string(), z.literal(true)),
})

/** One grant or restriction at one place of the index. */
const entry = z.strictObject({
  rule: z.string(),
  path: pathRest.optional(),
  when: when.optional(),
  except: exception.optional(),
  approval: approveObligation.omit({ kind: true }).optional(),
  /** What the session has seen then. */
  taint: z.string().optional(),
  /** On what terms it lets somebody administer the evidence. */
  administration: z
    .strictObject({
      /** Types of resources that the action is done to. */
      resources: z.array(z.string()),
      reason_required: z.boolean(),
      own_sessions: z.boolean(),
      /** Content of these alone; absent: of every connection. */
      connections: z.array(z.string()).optional(),
    })
    .optional(),
  /** What a grant accepts beside: server tools, hosts, betas, reasons of incomplete facts, by kind. */
  accepts: z.record(z.string(), nameSet).optional(),
})

/** Entries by principal. */
const node = z.record(z.string(), z.array(entry))
const names = z.strictObject({
  exact: z.record(z.string(), node),
  /** Lengths of the prefixes in `starts`, code points. */
  lengths: z.array(z.int()),
  starts: z.record(z.string(), node),
})

/** Entries by what is asked for, then by principal. */
const index = z.strictObject({
  /** By method, then by literal path prefix; `depths` are the lengths of the prefixes in `at`, positions. */
  http: z.record(
    z.string(),
    z.strictObject({ depths: z.array(z.int()), at: z.record(z.string(), node) }),
  ),
  models: names,
  tools: names,
  all: node,
})

const passOrRefuse = z.enum(['pass', 'refuse'])

/** Everything the rules look up for one connection. */
export const connection = z.strictObject({
  /** Names of the claims any clause asks for. */
  claims: z.array(z.string()),
  grants: index,
  deny: index,
  approvals: index,
  taints: index,
  /** Whether any deny or approval hangs on what the session has seen. */
  flows: z.boolean(),
  /** Entries of administration.yaml by action, then by principal; of the connection `countersign` alone. */
  administration: z.record(z.string(), node).optional(),
  /** No detector or field is named by two masks of one direction. */
  masks_disjoint: z.boolean(),
  masks: z.array(z.strictObject({ except: exception.optional(), mask: maskObligation })),
  prompts: z.strictObject({
    max_token_estimate: z.int().optional(),
    forbidden_phrases: z.array(z.string()),
  }),
  features: z.strictObject({
    betas: passOrRefuse,
    unknown_fields: passOrRefuse,
    unknown_blocks: passOrRefuse,
    uninspected_blocks: passOrRefuse,
  }),
  /** Conditions depend on the body: one that was not inspected is refused. */
  must_inspect: z.boolean(),
  /** Obligations of every allow. */
  duties: z.strictObject({
    request: z.array(z.union([limitObligation, recordObligation])),
    tool_use: z.array(recordObligation),
  }),
})

export type NameSet = z.infer<typeof nameSet>
export type PathRest = z.infer<typeof pathRest>
export type NamedCondition = z.infer<typeof namedCondition>
export type When = z.infer<typeof when>
export type Exception = z.infer<typeof exception>
export type Entry = z.infer<typeof entry>
export type Node = z.infer<typeof node>
export type NameIndex = z.infer<typeof names>
export type Index = z.infer<typeof index>
export type PreparedConnection = z.infer<typeof connection>
export type PreparedData = {
  readonly connections: Readonly<Record<string, PreparedConnection>>
  /** A sentence for each rule of the data files, by rule id. */
  readonly messages: Readonly<Record<string, string>>
}
