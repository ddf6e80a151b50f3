import { isDeepStrictEqual } from 'node:util'
import type { Facts } from '../../pdp/contract/facts.ts'
import type { ExtractionProfile } from '../../pdp/contract/profile.ts'
import { err, ok, type Result } from '../../pdp/contract/result.ts'
import { betasOf, parseMessages, requestFacts } from '../../pep/adapters/anthropic/describe.ts'
import { createExtraction } from '../../pep/adapters/anthropic/extraction.ts'
import { callFacts } from '../../pep/adapters/anthropic/tool-use.ts'
import { describe } from '../../pep/adapters/http/describe.ts'
import { BodyError, createHttpExtraction } from '../../pep/facts/http.ts'
import { parseStrict } from '../../pep/facts/json-text.ts'
import { PepMaskError } from '../../pep/mask/errors.ts'
import type { Recorded } from './format.ts'

/** Why facts cannot be made again. */
export type RemakeProblem =
  | 'body_not_recorded'
  | 'body_not_whole'
  | 'body_would_stream'
  | 'exchange_not_recorded'
  | 'facts_differ'
  | 'would_be_refused'
  | 'protocol_unknown'

/** Facts of a recorded request under another profile, from its body, by the enforcement point's own extraction. */
export type Remake = (
  recorded: Recorded,
  from: ExtractionProfile,
  to: ExtractionProfile,
) => Result<Facts, RemakeProblem>

/** Makes facts under a profile; the same material, so that what it gave before says whether it is the right one. */
type Make = (profile: ExtractionProfile) => Result<Facts, RemakeProblem>

export function createRemake(): Remake {
  const http = createHttpExtraction()
  const anthropic = createExtraction()

  function messages(recorded: Recorded): Result<Make, RemakeProblem> {
    const body = bodyOf(recorded)
    if (!body) return err('body_not_recorded')
    const { headers } = recorded.exchange ?? {}
    if (!headers) return err('exchange_not_recorded')
    const parsed = parseMessages(body)
    if (!parsed.ok) return err('facts_differ')
    const betas = betasOf(headers)
    return ok((profile) => ok(requestFacts(parsed.value.request, betas, anthropic, profile)))
  }

  function toolCall(recorded: Recorded): Result<Make, RemakeProblem> {
    const body = bodyOf(recorded)
    if (!body) return err('body_not_recorded')
    const parsed = parseStrict(body.toString('utf8'))
    if (!parsed.ok) return err('facts_differ')
    const call = { name: recorded.input.resource.id, input: parsed.value }
    return ok((profile) => ok(callFacts(anthropic, call, body.length, profile)))
  }

  function request(recorded: Recorded): Result<Make, RemakeProblem> {
    const { method, target, headers } = recorded.exchange ?? {}
    if (method === undefined || target === undefined || !headers)
      return err('exchange_not_recorded')
    const { connection } = recorded.input.resource.properties
    const bytes = recorded.input.context.facts.http?.body_bytes
    if (bytes === undefined) return err('facts_differ')
    return ok((profile) => {
      const read = bytes === 0 || profile.inspect_bodies.includes(connection)
      const body = read ? wholeBody(recorded, bytes) : ok(undefined)
      if (!body.ok) return body
      const length = body.value?.length ?? bytes
      const described = describe(connection, { method, target }, headers, body.value, length, http)
      return described.ok ? ok(described.value.facts(profile)) : err('would_be_refused')
    })
  }

  function maker(recorded: Recorded): Result<Make, RemakeProblem> {
    switch (recorded.input.action.name) {
      case 'http.request':
        return request(recorded)
      case 'anthropic.messages.create':
      case 'anthropic.messages.count_tokens':
        return messages(recorded)
      case 'anthropic.tool_use':
        return toolCall(recorded)
      default:
        return err('protocol_unknown')
    }
  }

  return (recorded, from, to) => {
    const make = maker(recorded)
    if (!make.ok) return make
    const { connection } = recorded.input.resource.properties
    const { facts } = recorded.input.context
    // What it gives under the profile of then must be what it gave: else the body is cut or masked, or extraction has
    // changed since, and a difference would be blamed on the candidate.
    const before = made(make.value, from, 'facts_differ')
    if (!before.ok) return before
    if (!isDeepStrictEqual(asRecorded(before.value), facts)) return err('facts_differ')
    const streams =
      facts.http !== undefined &&
      facts.http.body_bytes !== 0 &&
      from.inspect_bodies.includes(connection) &&
      !to.inspect_bodies.includes(connection)
    // Whether its length was declared, and so known without reading it, is not on record.
    return streams ? err('body_would_stream') : made(make.value, to, 'would_be_refused')
  }
}

/** @param refusal what it means when the enforcement point would have refused the request. */
function made(
  make: Make,
  profile: ExtractionProfile,
  refusal: RemakeProblem,
): Result<Facts, RemakeProblem> {
  try {
    const facts = make(profile)
    return !facts.ok && facts.error === 'would_be_refused' ? err(refusal) : facts
  } catch (error) {
    if (error instanceof BodyError || error instanceof PepMaskError) return err(refusal)
    throw error
  }
}

function bodyOf({ body }: Recorded): Buffer | undefined {
  return body && body.whole !== false ? Buffer.from(body.base64, 'base64') : undefined
}

/** @param bytes what the facts say of its length; -1: nothing. */
function wholeBody(recorded: Recorded, bytes: number): Result<Buffer, RemakeProblem> {
  if (bytes === 0) return ok(Buffer.alloc(0))
  const { body } = recorded
  if (!body) return err('body_not_recorded')
  const content = Buffer.from(body.base64, 'base64')
  const whole = bytes === -1 ? body.whole === true : content.length === bytes
  return whole && body.whole !== false ? ok(content) : err('body_not_whole')
}

/** As it went through JSON: without what is `undefined`, and without prototypes. */
const asRecorded = (facts: Facts): unknown => JSON.parse(JSON.stringify(facts)) as unknown
