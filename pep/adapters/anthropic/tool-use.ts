import { createHash, randomUUID } from 'node:crypto'
import type { CanonicalAction } from '../../../pdp/contract/action.ts'
import type { OperationId } from '../../../pdp/contract/brand.ts'
import type { Facts } from '../../../pdp/contract/facts.ts'
import type { MaskObligation } from '../../../pdp/contract/obligation.ts'
import type { ExtractionProfile } from '../../../pdp/contract/profile.ts'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Gate } from '../../core/gate.ts'
import type { Caller, Operation } from '../../core/operation.ts'
import type { Findings, MaskMaterial, Masks } from '../../core/masks.ts'
import type { Refusal } from '../../core/refusal.ts'
import { dataText } from '../../facts/anthropic.ts'
import { parseStrict, rewrite } from '../../facts/json-text.ts'
import { toolFacts } from '../../facts/tool.ts'
import type { Restorer } from '../../mask/restore.ts'
import type { Extraction } from './extraction.ts'
import { type MaskingParts, maskJson, type ReplyParts, restore } from './reply.ts'
import { unmasked } from './told.ts'

export type ToolUseParts = {
  readonly gate: Gate
  readonly extraction: Extraction
  readonly caller: Caller
  readonly connection: string
  /** The message whose reply holds the call. */
  readonly parent_id: OperationId
  /** Masks of the message's decision; those of the call's own decision come on top. */
  readonly rules: readonly MaskObligation[]
  readonly masks: Masks
  /** Of the message: its tokens stand for values. */
  readonly restorer: (() => Restorer) | undefined
  readonly material: MaskMaterial
  readonly findings: Findings
  readonly signal: AbortSignal
}

const MAX_NAME = 256

/**
 * Decides tool calls, one operation each. Policy decides on the input as the model wrote it, without the injected
 * credential; what is released is masked as policy says of responses. A masked address may break the call: that is
 * what a mask of the response asks for, and observing masks leave it as it is.
 */
export function createToolAdmission(parts: ToolUseParts): ReplyParts['admit'] {
  // Before anything else: the credential must be in no fact, record or approval either.
  const literalsOnly: MaskingParts = {
    ...parts.masks.of([], parts.material),
    findings: parts.findings,
  }
  return async ({ name, id, input: raw }, heartbeat) => {
    const readable = parseStrict(raw)
    if (!readable.ok) return err({ code: 'bad_request', message: `its input is ${readable.error}` })
    const input = literalsOnly.mask.active ? maskJson(literalsOnly, raw) : raw
    const call = { name, input, told: told(literalsOnly, name, id) }
    const parsed = parseStrict(call.input)
    if (!parsed.ok) return err({ code: 'bad_request', message: `its input is ${parsed.error}` })
    if (call.name.length > MAX_NAME)
      return err({ code: 'bad_request', message: 'its name is too long' })
    const restored = restoreStrings(parts, call.input, parsed.value)
    const admitted = await decide(parts, { ...call, restored, written: call.input }, heartbeat)
    if (!admitted.ok || admitted.value.restores || restored === call.input)
      return released(admitted)
    // The tool gets the tokens, which may mean something else where they stand: policy decides on that as well.
    const tokens = { ...call, restored: call.input, written: call.input }
    return released(await decide(parts, tokens, heartbeat))
  }
}

/** Looked through only when someone is told. */
const told =
  (literalsOnly: MaskingParts, name: string, id: string | undefined): Decided['told'] =>
  () => {
    const tool = unmasked(literalsOnly, name)
    const call_id = unmasked(literalsOnly, id)
    return { ...(tool !== undefined && { tool }), ...(call_id !== undefined && { call_id }) }
  }

type Admitted = Result<{ readonly input: string; readonly restores: boolean }, Refusal>

const released = (admitted: Admitted): Result<string, Refusal> =>
  admitted.ok ? ok(admitted.value.input) : admitted

async function decide(
  parts: ToolUseParts,
  call: Omit<Decided, 'input'>,
  heartbeat: (() => void) | undefined,
): Promise<Admitted> {
  const input = JSON.parse(call.restored) as unknown
  const admitted = await parts.gate.admit(operation(parts, { ...call, input }, heartbeat))
  if (!admitted.ok) return admitted
  // `prepare` made it and the gate put it on record; without it nothing is known of what to release.
  const { body, enforcement } = admitted.value
  if (!body) return err({ code: 'internal', message: 'the tool call was not prepared' })
  return ok({ input: Buffer.from(body).toString('utf8'), restores: enforcement.restore_input })
}

/** A call as it is decided on: with the values that its tokens stand for, whether or not the tool will get them. */
type Decided = {
  readonly name: string
  readonly told: NonNullable<Operation['told']>
  /** The input as the model wrote it, JSON. */
  readonly written: string
  /** The input with values in place of tokens, and the same parsed. */
  readonly restored: string
  readonly input: unknown
}

function operation(
  parts: ToolUseParts,
  call: Decided,
  heartbeat: (() => void) | undefined,
): Operation {
  const { caller, connection, parent_id, signal } = parts
  const body = Buffer.from(call.restored)
  return {
    id: randomUUID() as string as OperationId,
    parent_id,
    caller,
    connection,
    action: { name: 'anthropic.tool_use' },
    resource: {
      type: 'anthropic.tool',
      id: call.name,
      properties: { connection, kind: 'anthropic' },
    },
    told: call.told,
    extract: (profile) => callFacts(parts.extraction, call, body.length, profile),
    canonical: () => canonical(connection, call),
    prepare: ({ mask_response, restore_input }) =>
      maskInput(parts, mask_response, restore_input ? call.restored : call.written),
    exchange: {
      body_bytes: body.length,
      body_sha256: createHash('sha256').update(body).digest('hex'),
      body,
    },
    keeps: {
      mask_request: false,
      mask_response: true,
      mask_columns: false,
      restore: 'input',
      limits: [],
    },
    forwards: false,
    ...(heartbeat && { heartbeat }),
    signal,
  }
}

/** What is approved is both: what the tool gets when policy restores tokens, and when it does not. */
function canonical(
  connection: string,
  { name, written, restored, input }: Decided,
): CanonicalAction {
  return {
    type: 'anthropic.tool_use',
    connection,
    tool: name,
    input,
    ...(written !== restored && { unrestored: JSON.parse(written) as unknown }),
  }
}

function restoreStrings(parts: ToolUseParts, text: string, value: unknown): string {
  if (!parts.restorer) return text
  return rewrite(
    text,
    value,
    (node) => {
      if (typeof node !== 'string') return {}
      const restored = restore(parts, node)
      return restored === node ? {} : { replace: () => JSON.stringify(restored) }
    },
    undefined,
  )
}

/** Facts of a tool call. @param bytes of its input as it is written. */
export function callFacts(
  extraction: Extraction,
  { name, input }: Pick<Decided, 'name' | 'input'>,
  bytes: number,
  profile: ExtractionProfile,
): Facts {
  const { incomplete, ...about } = toolFacts(name, input, bytes)
  const { scan, paths, incomplete: missing } = extraction(profile)
  const { detectors, phrases } = scan.scan(dataText(input))
  const found = paths(input)
  return {
    ...about,
    detectors: counted(detectors),
    phrases: [...phrases],
    paths: found.paths,
    incomplete: [...incomplete, ...found.incomplete, ...missing],
  }
}

const counted = (counts: Readonly<Record<string, number | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).map(([name, count = 0]) => [name, count]))

function maskInput(
  parts: ToolUseParts,
  own: readonly MaskObligation[],
  input: string,
): Result<Uint8Array, Refusal> {
  try {
    const masking = parts.masks.of([...parts.rules, ...own], parts.material)
    if (!masking.mask.active) return ok(Buffer.from(input))
    return ok(Buffer.from(maskJson({ ...masking, findings: parts.findings }, input)))
  } catch {
    // Fail closed: an input that cannot be masked is not released.
    return err({ code: 'response_refused', message: 'its input could not be masked' })
  }
}
