import { createHmac, hash } from 'node:crypto'
import { BuiltinError } from '../errors.ts'
import { isArray, isObject, isSet, Num, toBigInt, type Value, keyText } from '../value.ts'
import { object } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { goJson } from './go/json.ts'

/** AWS Signature Version 4, as AWS' "Create a signed request" describes it. */
export const aws: Builtins = {
  'providers.aws.sign_req': (args) => {
    const request = readRequest(object(args, 0))
    const config = readConfig(object(args, 1))
    const time = readTime(args[2])
    const signed = sign(request, config, time)
    const headers = new Map<Value, Value>([...request.headers, ...signed])
    return new Map([...request.given, ['headers', headers]])
  },
}

const wrong = (operand: number, message: string): BuiltinError =>
  new BuiltinError('eval_type_error', `operand ${operand} ${message}`)

const listed = (names: readonly string[]): string =>
  `{${names
    .toSorted()
    .map((name) => JSON.stringify(name))
    .join(', ')}}`

/** @throws {BuiltinError} naming what is missing, then what is no text. */
function requireTexts(
  operand: number,
  given: ReadonlyMap<Value, Value>,
  names: readonly string[],
  what: string,
): Record<string, string> {
  const missing = names.filter((name) => !given.has(name))
  if (missing.length > 0) throw wrong(operand, `missing required ${what}(s): ${listed(missing)}`)
  const bad = names.filter((name) => typeof given.get(name) !== 'string' || given.get(name) === '')
  if (bad.length > 0) throw wrong(operand, `invalid values for required ${what}(s): ${listed(bad)}`)
  return Object.fromEntries(names.map((name) => [name, keyText(given.get(name) ?? '')]))
}

type Request = {
  readonly given: ReadonlyMap<Value, Value>
  readonly method: string
  readonly url: URL
  /** As it is written, where `URL` would add a slash. */
  readonly path: string
  readonly headers: ReadonlyMap<string, Value>
  readonly body: string
}

function readRequest(given: ReadonlyMap<Value, Value>): Request {
  const { method = '', url = '' } = requireTexts(1, given, ['method', 'url'], 'request parameters')
  const headers = given.get('headers')
  if (headers !== undefined && !isObject(headers)) throw wrong(1, 'must have headers as an object')
  return {
    given,
    // As it is given: OPA signs it so.
    method,
    url: parseUrl(url),
    path: (/^[^:]*:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] ?? '').replace(
      /[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]/gu,
      encodeURIComponent,
    ),
    headers: new Map(
      [...(headers ?? new Map<Value, Value>())].map(([name, value]) => [keyText(name), value]),
    ),
    body: bodyOf(given),
  }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw wrong(1, 'has a url that cannot be parsed')
  }
}

function bodyOf(given: ReadonlyMap<Value, Value>): string {
  const raw = given.get('raw_body')
  if (raw !== undefined) {
    if (typeof raw === 'string') return raw
    throw wrong(1, 'must have raw_body as a string')
  }
  const body = given.get('body')
  return body === undefined ? '' : goJson(body)
}

type Config = {
  readonly access: string
  readonly secret: string
  readonly service: string
  readonly region: string
  readonly session?: string
  readonly unsigned: boolean
}

const CONFIG = ['aws_access_key', 'aws_secret_access_key', 'aws_service', 'aws_region'] as const

function readConfig(given: ReadonlyMap<Value, Value>): Config {
  const read = requireTexts(2, given, CONFIG, 'AWS config parameters')
  const session = given.get('aws_session_token')
  const unsigned = given.get('disable_payload_signing')
  if (unsigned !== undefined && typeof unsigned !== 'boolean')
    throw wrong(2, "invalid value for 'disable_payload_signing' in AWS config")
  return {
    access: read['aws_access_key'] ?? '',
    secret: read['aws_secret_access_key'] ?? '',
    service: read['aws_service'] ?? '',
    region: read['aws_region'] ?? '',
    ...(typeof session === 'string' && session !== '' && { session }),
    unsigned: unsigned === true,
  }
}

/** `YYYYMMDDTHHMMSSZ` */
function readTime(value: Value | undefined): string {
  const time = value instanceof Num ? toBigInt(value) : undefined
  if (time === undefined || time < 0n)
    throw wrong(3, 'could not convert time_ns value into a unix timestamp')
  const date = new Date(Number(time / 1_000_000n))
  return `${date.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

/** Changed on the way, or by others. */
const IGNORED = new Set(['authorization', 'user-agent', 'x-amzn-trace-id'])

function sign(request: Request, config: Config, time: string): Map<string, Value> {
  const { method, url, path, headers, body } = request
  const { service, region, session, unsigned } = config
  const content = unsigned ? 'UNSIGNED-PAYLOAD' : hash('sha256', body)
  const own = new Map<string, string>([
    ['host', url.host],
    ['x-amz-date', time],
  ])
  if (service === 's3' || service === 'glacier' || unsigned)
    own.set('x-amz-content-sha256', content)
  if (session !== undefined) own.set('x-amz-security-token', session)
  // A header that the request has already is signed as it is, and then replaced: so OPA does it.
  const all = new Map<string, string>(own)
  for (const [name, value] of headers)
    if (!IGNORED.has(name.toLowerCase())) all.set(name.toLowerCase(), headerText(value))
  const names = [...all.keys()].sort()
  const canonical = [
    method,
    path,
    url.search.slice(1),
    ...names.map((name) => `${name}:${all.get(name)}`),
    '',
    names.join(';'),
    content,
  ].join('\n')
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, hash('sha256', canonical)].join('\n')
  const key = [time.slice(0, 8), region, service, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${config.secret}`,
  )
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${config.access}/${scope},SignedHeaders=${names.join(';')},Signature=${signature}`
  return new Map<string, Value>([...own, ['Authorization', authorization]])
}

function headerText(value: Value): string {
  if (typeof value === 'string') return value
  if (isArray(value) || isSet(value)) return [...value].map(headerText).join(',')
  return goJson(value)
}
