import { randomUUIDv7 } from 'node:crypto'
import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import { err, ok, type Result } from '../contract/result.ts'
import { DECISION_ENTRYPOINT } from '../decide/ask.ts'
import type { ActivePolicy, CurrentPolicy, DocumentError } from '../policy/policy.ts'
import { MAX_BODY_BYTES, readBytes } from './body.ts'
import type { Callers } from './callers.ts'
import type { Api, ApiContext } from './context.ts'
import { createBreather } from './breather.ts'
import { MAX_BATCH } from './decide.ts'
import { forgery } from './forgery.ts'
import { readJsonDocument } from './json-document.ts'

/** OPA's REST API as far as it asks: the Data API, its batch, and reading policies. OPA documentation, "REST API". */

export type OpaApiParts = {
  readonly callers: Callers
  readonly policy: CurrentPolicy
  readonly now: () => number
  readonly onQuery?: ((query: AnsweredQuery) => void) | undefined
}

/** What a decision log tells of one query. */
export type AnsweredQuery = {
  readonly decision_id: string
  readonly batch_decision_id?: string | undefined
  readonly policy: ActivePolicy
  readonly path: string
  readonly requested_by: string
  /** JSON texts; `undefined` where there was none. */
  readonly input: string | undefined
  readonly result: string | undefined
  readonly error?: OpaError | undefined
  readonly took_ns: number
}

export type OpaError = {
  readonly code: string
  readonly message: string
  readonly errors?: readonly unknown[]
}
type Refusal = { readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 500; readonly body: OpaError }

const refusal = (status: Refusal['status'], code: string, message: string): Refusal => ({
  status,
  body: { code, message },
})

export function opaRoutes(app: Api, parts: OpaApiParts): void {
  const answer =
    (handle: (c: ApiContext, caller: string) => Promise<Response>) => async (c: ApiContext) => {
      const caller = parts.callers.client(c.env.incoming, 'opa')
      if (caller.ok) return handle(c, caller.value)
      const { status, message } = caller.error
      return refuse(c, refusal(status === 403 ? 403 : 401, 'unauthorized', message))
    }
  const data = (at: string) =>
    answer((c, caller) => queryData(c, parts, caller, pathOf(c.req.path, at)))
  app.on(['GET', 'POST'], ['/v1/data', '/v1/data/*'], data('/v1/data'))
  app.post(
    '/',
    answer((c, caller) => bareData(c, parts, caller, DECISION_ENTRYPOINT.split('/'))),
  )
  app.on(
    ['POST'],
    ['/v0/data', '/v0/data/*'],
    answer((c, caller) => bareData(c, parts, caller, pathOf(c.req.path, '/v0/data'))),
  )
  app.post(
    '/v1/batch/data/*',
    answer((c, caller) => batch(c, parts, caller, pathOf(c.req.path, '/v1/batch/data'))),
  )
  app.get(
    '/v1/policies',
    answer((c) => Promise.resolve(json(c, { result: parts.policy().modules }))),
  )
  app.get(
    '/v1/policies/*',
    answer((c) => Promise.resolve(onePolicy(c, parts))),
  )
  const readOnly = answer((c) =>
    Promise.resolve(
      refuse(
        c,
        refusal(
          405,
          'method_not_allowed',
          'policy and data come in bundles alone; change them there',
        ),
      ),
    ),
  )
  app.on(['PUT', 'PATCH', 'DELETE'], ['/v1/data/*', '/v1/data', '/v1/policies/*'], readOnly)
}

function onePolicy(c: ApiContext, parts: OpaApiParts): Response {
  const id = pathOf(c.req.path, '/v1/policies').join('/')
  const found = parts.policy().modules.find((one) => one.id === id)
  return found
    ? json(c, { result: found })
    : refuse(c, refusal(404, 'resource_not_found', `storage_not_found_error: policy id "${id}"`))
}

async function queryData(
  c: ApiContext,
  parts: OpaApiParts,
  caller: string,
  path: readonly string[],
): Promise<Response> {
  const started = process.hrtime.bigint()
  const unsupported = c.req.query('explain')
  if (unsupported !== undefined && unsupported !== 'off')
    return refuse(
      c,
      refusal(400, 'invalid_parameter', 'explain is not supported; see countersign policy explain'),
    )
  const input = c.req.method === 'GET' ? inputOfQuery(c) : await inputOfBody(c)
  if (!input.ok) return refuse(c, input.error)
  const parsed = process.hrtime.bigint()
  const policy = parts.policy()
  const result = ask(parts, policy, {
    caller,
    path,
    input: input.value,
    strict: flag(c, 'strict-builtin-errors'),
  })
  if (!result.ok) return refuse(c, result.error)
  const { decision_id, json: document, took_ns } = result.value
  const members = [`"decision_id":${JSON.stringify(decision_id)}`]
  if (document !== undefined) members.push(`"result":${document}`)
  if (flag(c, 'metrics') || flag(c, 'instrument')) {
    const metrics = {
      timer_rego_input_parse_ns: Number(parsed - started),
      timer_rego_query_eval_ns: took_ns,
      timer_server_handler_ns: Number(process.hrtime.bigint() - started),
    }
    members.push(`"metrics":${JSON.stringify(metrics)}`)
  }
  if (flag(c, 'provenance')) members.push(`"provenance":${JSON.stringify(provenance(policy))}`)
  if (c.req.method === 'POST' && input.value === undefined)
    members.push(`"warning":${JSON.stringify(NO_INPUT)}`)
  return text(c, `{${members.join(',')}}`)
}

const NO_INPUT = { code: 'api_usage_warning', message: "'input' key missing from the request" }

/** The answer is the bare document: OPA's webhook API. */
async function bareData(
  c: ApiContext,
  parts: OpaApiParts,
  caller: string,
  path: readonly string[],
): Promise<Response> {
  const body = await bodyText(c)
  if (!body.ok) return refuse(c, body.error)
  const whole = body.value.trim() === '' ? ok(undefined) : checked(body.value)
  if (!whole.ok) return refuse(c, whole.error)
  const result = ask(parts, parts.policy(), { caller, path, input: whole.value, strict: false })
  if (!result.ok) return refuse(c, result.error)
  return result.value.json === undefined
    ? refuse(c, refusal(404, 'undefined_document', `document missing: data.${path.join('.')}`))
    : text(c, result.value.json)
}

/** Most characters of all answers of a batch. */
const MOST_ANSWER = 64 * 1024 * 1024

/** `{ inputs: { id: input } }` to `{ responses: { id: … } }`, all by one policy. */
async function batch(
  c: ApiContext,
  parts: OpaApiParts,
  caller: string,
  path: readonly string[],
): Promise<Response> {
  const body = await bodyText(c)
  if (!body.ok) return refuse(c, body.error)
  const read = readJsonDocument(body.value)
  const inputs = read.ok ? read.value.members.get('inputs') : undefined
  const items = inputs === undefined ? undefined : readJsonDocument(inputs)
  if (!items?.ok || !isObject(items.value.value))
    return refuse(
      c,
      refusal(
        400,
        'invalid_parameter',
        read.ok ? 'inputs must be an object of inputs by id' : read.error,
      ),
    )
  const forged = Object.values(items.value.value).map(forgery).find(Boolean)
  if (forged !== undefined) return refuse(c, refusal(400, 'invalid_parameter', forged))
  if (items.value.members.size > MAX_BATCH)
    return refuse(c, refusal(413, 'invalid_parameter', `at most ${MAX_BATCH} inputs at a time`))
  const policy = parts.policy()
  const batch_decision_id = randomUUIDv7()
  const strict = flag(c, 'strict-builtin-errors')
  const answers: { id: string; answer: Result<Answered, Refusal> }[] = []
  const breathe = createBreather()
  let length = 0
  for (const [id, input] of items.value.members) {
    const answer = ask(parts, policy, { caller, path, input, strict, batch_decision_id })
    answers.push({ id, answer })
    length += answer.ok ? (answer.value.json?.length ?? 0) : 0
    if (length > MOST_ANSWER)
      return refuse(c, refusal(413, 'invalid_parameter', 'the answers are too long; ask for fewer'))
    await breathe()
  }
  const failed = answers.filter(({ answer }) => !answer.ok).length
  const mixed = failed > 0
  const responses = answers.map(
    ({ id, answer }) => `${JSON.stringify(id)}:${itemText(answer, mixed)}`,
  )
  const status = failed === 0 ? 200 : failed === answers.length ? 500 : 207
  return text(
    c,
    `{"batch_decision_id":"${batch_decision_id}","responses":{${responses.join(',')}}}`,
    status,
  )
}

function itemText(answer: Result<Answered, Refusal>, mixed: boolean): string {
  if (!answer.ok)
    return JSON.stringify({ ...answer.error.body, http_status_code: String(answer.error.status) })
  const { decision_id, json: document } = answer.value
  const members = [`"decision_id":"${decision_id}"`]
  if (document !== undefined) members.push(`"result":${document}`)
  if (mixed) members.push('"http_status_code":"200"')
  return `{${members.join(',')}}`
}

type Question = {
  readonly caller: string
  readonly path: readonly string[]
  readonly input: string | undefined
  readonly strict: boolean
  readonly batch_decision_id?: string
}
type Answered = {
  readonly decision_id: string
  readonly json: string | undefined
  readonly took_ns: number
}

function ask(
  { now, onQuery }: OpaApiParts,
  policy: ActivePolicy,
  { caller, path, input, strict, batch_decision_id }: Question,
): Result<Answered, Refusal> {
  const decision_id = randomUUIDv7()
  const started = process.hrtime.bigint()
  const answer = policy.document(path, input, { strict, time_ms: now() })
  const took_ns = Number(process.hrtime.bigint() - started)
  const error = answer.ok ? undefined : evaluationRefusal(answer.error)
  onQuery?.({
    decision_id,
    batch_decision_id,
    policy,
    path: path.join('/'),
    requested_by: caller,
    input,
    result: answer.ok ? answer.value.json : undefined,
    error: error?.body,
    took_ns,
  })
  return answer.ok
    ? ok({ decision_id, json: answer.value.json, took_ns })
    : err(error ?? refusal(500, 'internal_error', ''))
}

function evaluationRefusal({ code, message }: DocumentError): Refusal {
  if (code === 'undefined_document_path') return refusal(404, code, message)
  if (code === 'invalid_input') return refusal(400, 'invalid_parameter', message)
  return {
    status: 500,
    body: {
      code: 'internal_error',
      message: 'error(s) occurred while evaluating query',
      errors: [{ code, message }],
    },
  }
}

function inputOfQuery(c: ApiContext): Result<string | undefined, Refusal> {
  const given = c.req.query('input')
  return given === undefined ? ok(undefined) : checked(given)
}

async function inputOfBody(c: ApiContext): Promise<Result<string | undefined, Refusal>> {
  const body = await bodyText(c)
  if (!body.ok) return body
  if (body.value.trim() === '') return ok(undefined)
  const read = readJsonDocument(body.value)
  if (!read.ok)
    return err(
      refusal(400, 'invalid_parameter', `body contains malformed input document: ${read.error}`),
    )
  if (!isObject(read.value.value))
    return err(refusal(400, 'invalid_parameter', 'the body must be an object'))
  const forged = forgery(read.value.value['input'])
  if (forged !== undefined) return err(refusal(400, 'invalid_parameter', forged))
  return ok(read.value.members.get('input'))
}

function checked(input: string): Result<string, Refusal> {
  const read = readJsonDocument(input)
  if (!read.ok)
    return err(
      refusal(
        400,
        'invalid_parameter',
        `parameter contains malformed input document: ${read.error}`,
      ),
    )
  const forged = forgery(read.value.value)
  return forged === undefined ? ok(input) : err(refusal(400, 'invalid_parameter', forged))
}

const gunzipLimited = promisify(gunzip)

async function bodyText(c: ApiContext): Promise<Result<string, Refusal>> {
  const { incoming } = c.env
  const bytes = await readBytes(incoming)
  if (!bytes.ok)
    return err(
      refusal(bytes.error.status === 413 ? 413 : 400, 'invalid_parameter', bytes.error.message),
    )
  const coding = incoming.headers['content-encoding'] ?? 'identity'
  if (coding !== 'identity' && coding !== 'gzip')
    return err(refusal(400, 'invalid_parameter', `Content-Encoding ${coding} is not supported`))
  try {
    const plain =
      coding === 'gzip'
        ? await gunzipLimited(bytes.value, { maxOutputLength: MAX_BODY_BYTES })
        : bytes.value
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(plain))
  } catch {
    return err(
      refusal(
        400,
        'invalid_parameter',
        'the body cannot be read: gzip and UTF-8 within the limit are',
      ),
    )
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Segments after a prefix, each percent-decoded. */
function pathOf(path: string, prefix: string): string[] {
  const rest = path
    .slice(prefix.length)
    .split('/')
    .filter((part) => part !== '')
  return rest.map((part) => {
    try {
      return decodeURIComponent(part)
    } catch {
      return part
    }
  })
}

/** A flag of a query: there, and not `false`. */
function flag(c: ApiContext, name: string): boolean {
  const value = c.req.query(name)
  return value !== undefined && value !== 'false'
}

const provenance = (policy: ActivePolicy): unknown => ({
  version: `countersign ${policy.revision}`,
  bundles: Object.fromEntries(policy.bundles.map(({ name, revision }) => [name, { revision }])),
})

const json = (c: ApiContext, value: unknown): Response => text(c, JSON.stringify(value))
const refuse = (c: ApiContext, { status, body }: Refusal): Response =>
  text(c, JSON.stringify(body), status)

function text(c: ApiContext, body: string, status = 200): Response {
  const pretty = flag(c, 'pretty') ? JSON.stringify(JSON.parse(body, asWritten), null, 2) : body
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
  }
  // What was not read would be taken for the next request.
  if (!c.env.incoming.complete) headers['connection'] = 'close'
  return new Response(pretty, { status, headers })
}

const { rawJSON } = JSON as unknown as { readonly rawJSON: (literal: string) => unknown }

/** Numbers keep their literals. */
function asWritten(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { source?: string },
): unknown {
  return typeof value === 'number' && context?.source !== undefined
    ? rawJSON(context.source)
    : value
}
