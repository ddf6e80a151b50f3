import { z } from 'zod'
import {
  administrativeResources,
  type AdministrativeAction,
} from '../../pdp/contract/administration.ts'
import { limitObligation, maskStyle, recordObligation } from '../../pdp/contract/obligation.ts'
import { customDetector, phraseList } from '../../pdp/contract/profile.ts'
import { hostPattern, jsonPath, namePattern, pathPattern } from './patterns.ts'

/**
 * The shape of `rego/data/*.yaml`, as people write it; strict, so that a misspelt key is an error and not a
 * rule without effect. `prepareData` compiles it.
 */

const id = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case letters, digits and _')
const connection = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'must be the name of a connection')
const connections = z
  .array(z.union([z.literal('*'), connection]))
  .min(1)
  .default(['*'])
const sentence = z.string().min(1).max(300)
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const names = z.array(namePattern).min(1)

/** Who: any one of groups, scopes, subjects, claims; all of issuers and types when they are given. */
export const who = z
  .strictObject({
    groups: z.array(z.string().min(1)).optional(),
    scopes: z.array(z.string().min(1)).optional(),
    subjects: z.array(z.string().min(1)).optional(),
    claims: z
      .record(z.string().regex(/^[^=]+$/, 'must not contain ='), z.array(scalar).min(1))
      .optional(),
    /** Every authenticated subject. */
    anyone: z.literal(true).optional(),
    issuers: z.array(z.string().min(1)).min(1).optional(),
    types: z.array(z.string().min(1)).min(1).optional(),
  })
  .refine(
    (value) =>
      [value.groups, value.scopes, value.subjects].some((list) => list?.length) ||
      Object.keys(value.claims ?? {}).length > 0 ||
      value.anyone === true,
    'must name groups, scopes, subjects or claims, or say anyone: true',
  )

/** A condition on the values found under one name; several keys must all hold. */
export const condition = z
  .strictObject({
    one_of: z.array(scalar).min(1).optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    absent: z.literal(true).optional(),
  })
  .refine((value) => Object.keys(value).length > 0, 'must have one_of, min, max or absent')
  .refine(
    (value) => value.absent === undefined || Object.keys(value).length === 1,
    'absent stands alone',
  )

/** A query parameter is text. */
const queryCondition = condition.refine(
  (value) =>
    value.min === undefined &&
    value.max === undefined &&
    (value.one_of ?? []).every((one) => typeof one === 'string'),
  'a query parameter is text: one_of with strings, or absent',
)

const httpMatch = {
  methods: z
    .array(z.union([z.literal('*'), z.string().regex(/^[A-Z]+$/, 'must be in capitals')]))
    .min(1),
  paths: z.array(pathPattern).min(1),
  query: z.record(z.string().min(1), queryCondition).optional(),
  /** By JSON path of the request body. */
  body: z.record(jsonPath, condition).optional(),
}

/** What `rego/countersign/lib/tool.rego` can say of a tool call. */
export const toolTraits = [
  'recursive_force_delete',
  'disk_overwrite',
  'download_into_shell',
  'pipe_into_interpreter',
  'undetermined',
  'privileged',
  'git_push',
  'force_push',
  'bulk_delete',
  'discards_work',
  'deletes_infrastructure',
  'inline_code',
  'sql_drop',
  'sql_without_where',
  'sql_writes',
  'sql_undetermined',
  'sql_outside',
  'touches_secrets',
  'changes_system',
  'exfiltrates',
  'exfiltrates_secrets',
  'destructive',
] as const

const toolMatch = {
  names: names,
  is: z.array(z.enum(toolTraits)).min(1).optional(),
  /** Tables of which its SQL must name one, lower case: `customers`, `billing.*`. SQL that was not understood may name any. */
  tables: z.array(namePattern).min(1).optional(),
  /** Names of phrase lists of which one must occur in the call. */
  phrases: z.array(z.string()).min(1).optional(),
}

/** What a restriction (deny, approval, taint) applies to: one of them, or everything on its connections. */
const matched = {
  id,
  connections,
  who: who.optional(),
  except: who.optional(),
  http: z.strictObject(httpMatch).optional(),
  model: z.strictObject({ names }).optional(),
  tool: z.strictObject(toolMatch).optional(),
  /** Detector names and the count of findings in the request from which it applies. */
  findings: z.record(z.string(), z.int().positive()).optional(),
}

const restricted = {
  ...matched,
  message: sentence,
  /** Taints of which the session must have one; see taints.yaml. */
  after: z.array(id).min(1).optional(),
}

export const grants = z.array(
  z
    .strictObject({
      id,
      description: sentence,
      who,
      connection,
      http: z
        .strictObject({ ...httpMatch, content_types: z.array(z.string().min(1)).min(1).optional() })
        .optional(),
      anthropic: z
        .strictObject({
          models: names,
          tools: z.array(namePattern).default([]),
          /** Tools whose inputs get values in place of the session's tokens; masks.yaml, `restore`. */
          restore_tools: z.array(namePattern).optional(),
          server_tools: z.array(namePattern).optional(),
          mcp_servers: z.array(hostPattern).optional(),
          url_sources: z.array(hostPattern).optional(),
          provider_features: z.array(namePattern).optional(),
          betas: z.array(namePattern).optional(),
          unknown_fields: z.array(namePattern).optional(),
          unknown_blocks: z.array(namePattern).optional(),
          uninspected_blocks: z.array(namePattern).optional(),
        })
        .optional(),
      /** Reasons of incomplete facts that are accepted. */
      incomplete: z.array(namePattern).optional(),
    })
    .refine((value) => value.http !== undefined || value.anthropic !== undefined, {
      message: 'must grant http or anthropic',
    }),
)

const atMostOne = (value: { http?: unknown; model?: unknown; tool?: unknown }): boolean =>
  [value.http, value.model, value.tool].filter((part) => part !== undefined).length <= 1

export const deny = z.array(
  z.strictObject(restricted).refine(atMostOne, 'must have one of http, model, tool'),
)

export const approvals = z.array(
  z
    .strictObject({
      ...restricted,
      approvers: z.array(z.string().min(1)).min(1),
      count: z.int().positive().max(10).default(1),
      wait_s: z.int().nonnegative().max(600).default(50),
      valid_s: z.int().positive().max(86_400).default(900),
    })
    .refine(atMostOne, 'must have one of http, model, tool'),
)

/** What a session has seen once one of these was allowed. */
export const taints = z.array(
  z
    .strictObject({ ...matched, description: sentence })
    .refine(atMostOne, 'must have one of http, model, tool'),
)

const administrativeActions = Object.keys(administrativeResources) as AdministrativeAction[]

/** Who may do what to the evidence. */
export const administration = z.array(
  z.strictObject({
    id,
    description: sentence,
    who,
    actions: z.array(z.enum(administrativeActions)).min(1),
    /** Only when all that it reaches is of these connections. */
    connections: z.array(connection).min(1).optional(),
    /** Whether the person must say why. */
    reason_required: z.boolean().default(true),
    /** Whether it is also for sessions of the person's own. */
    own_sessions: z.boolean().default(false),
  }),
)

export const masks = z.array(
  z
    .strictObject({
      id,
      description: sentence,
      connections,
      where: z.enum(['request', 'response']),
      detectors: z.array(z.string()).min(1).optional(),
      fields: z.array(jsonPath).min(1).optional(),
      style: maskStyle,
      observe: z.boolean().default(false),
      /** The session's replies have the values again. */
      restore: z.boolean().default(false),
      except: who.optional(),
    })
    .refine(
      (value) => value.detectors !== undefined || value.fields !== undefined,
      'must name detectors or fields',
    )
    .refine(
      (value) =>
        !value.restore ||
        (value.where === 'request' &&
          value.style === 'token' &&
          value.fields === undefined &&
          !value.observe),
      'restore is for detectors in requests, in token style, that are not only observed',
    ),
)

const byConnection = <T extends z.ZodType>(value: T) =>
  z.record(z.union([z.literal('*'), connection]), value)

export const phrases = z.array(phraseList)
export const detectors = z.array(customDetector)

export const prompts = byConnection(
  z.strictObject({
    max_token_estimate: z.int().positive().optional(),
    forbidden_phrases: z.array(z.string()).default([]),
  }),
)

const toUnknown = z.enum(['pass', 'refuse'])
export const features = byConnection(
  z.strictObject({
    betas: toUnknown.default('pass'),
    unknown_fields: toUnknown.default('pass'),
    unknown_blocks: toUnknown.default('pass'),
    uninspected_blocks: toUnknown.default('pass'),
  }),
)

export const limits = byConnection(limitObligation.omit({ kind: true }))
export const record = byConnection(recordObligation.shape.body)

export const extraction = z.strictObject({
  detectors: z.array(z.string()).default([]),
  json_paths: z.array(jsonPath).default([]),
  inspect_bodies: z.array(connection).default([]),
})

export type Who = z.infer<typeof who>
export type Condition = z.infer<typeof condition>
export type GrantSource = z.infer<typeof grants>[number]
export type DenySource = z.infer<typeof deny>[number]
export type TaintSource = z.infer<typeof taints>[number]
export type AdministrationSource = z.infer<typeof administration>[number]
export type ApprovalSource = z.infer<typeof approvals>[number]

/** Every table, by the name of its file; a table may be spread over `grants.yaml`, `grants.<team>.yaml`, … */
export const tables = {
  grants,
  deny,
  approvals,
  taints,
  administration,
  masks,
  phrases,
  detectors,
  prompts,
  features,
  limits,
  record,
  extraction,
} as const

export type TableName = keyof typeof tables
export type Tables = { readonly [K in TableName]: z.infer<(typeof tables)[K]> }
