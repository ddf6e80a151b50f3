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
import { parseStrict } from '../../facts/json-text.ts'
import { toolFacts } from '../../facts/tool.ts'
import type { Extraction } from './extraction.ts'
import { type MaskingParts, maskJson, type ReplyParts, type ToolCall } from './reply.ts'

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
  return async ({ name, input: raw }, heartbeat) => {
    const readable = parseStrict(raw)
    if (!readable.ok) return err({ code: 'bad_request', message: `its input is ${readable.error}` })
    const call = { name, input: literalsOnly.mask.active ? maskJson(literalsOnly, raw) : raw }
    const parsed = parseStrict(call.input)
    if (!parsed.ok) return err({ code: 'bad_request', message: `its input is ${parsed.error}` })
    if (call.name.length > MAX_NAME)
      return err({ code: 'bad_request', message: 'its name is too long' })
    const admitted = await parts.gate.admit(operation(parts, call, parsed.value, heartbeat))
    if (!admitted.ok) return admitted
    // `prepare` made it and the gate put it on record; without it nothing is known of what to release.
    const { body } = admitted.value
    if (!body) return err({ code: 'internal', message: 'the tool call was not prepared' })
    return ok(Buffer.from(body).toString('utf8'))
  }
}

function operation(
  parts: ToolUseParts,
  call: ToolCall,
  input: unknown,
  heartbeat: (() => void) | undefined,
): Operation {
  const { caller, connection, parent_id, signal } = parts
  const body = Buffer.from(call.input)
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
    extract: (profile) => callFacts(parts.extraction, call, input, body.length, profile),
    canonical: () => canonical(connection, call.name, input),
    prepare: ({ mask_response }) => maskInput(parts, mask_response, call.input),
    exchange: {
      body_bytes: body.length,
      body_sha256: createHash('sha256').update(body).digest('hex'),
      body,
    },
    keeps: { mask_request: false, mask_response: true, mask_columns: false, limits: [] },
    forwards: false,
    ...(heartbeat && { heartbeat }),
    signal,
  }
}

function canonical(connection: string, tool: string, input: unknown): CanonicalAction {
  return { type: 'anthropic.tool_use', connection, tool, input }
}

function callFacts(
  extraction: Extraction,
  call: ToolCall,
  input: unknown,
  bytes: number,
  profile: ExtractionProfile,
): Facts {
  const { incomplete, ...about } = toolFacts(call.name, input, bytes)
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
