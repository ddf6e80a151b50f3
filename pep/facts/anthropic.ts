import type { AnthropicFacts, Facts } from '../../pdp/contract/facts.ts'
import { isFixed, isSigned, typeOf } from './anthropic-fields.ts'
import {
  clientTools,
  inspectedBlocks,
  knownFields,
  opaqueBlocks,
  providerFields,
} from './anthropic-names.ts'
import { ContentCache, type Place } from '../mask/content-cache.ts'
import { estimateTokens } from './tokens.ts'

/** A Messages API request, parsed. */
export type MessagesRequest = {
  readonly model: string
  readonly messages: readonly unknown[]
  readonly [field: string]: unknown
}

/** What the profile looks for in one text. */
export type TextScan = (text: string) => {
  readonly detectors: Readonly<Record<string, number | undefined>>
  readonly phrases: readonly string[]
}

type Scanned = ReturnType<TextScan> & { readonly tokens: number }

/** Scans, remembered by content. */
export class ScanCache {
  readonly #scans: ContentCache<Scanned>
  readonly #scan: (text: string) => Scanned

  /** @param budgetBytes most bytes of results that are kept, about. */
  constructor(scan: TextScan, budgetBytes = 16 * 1024 * 1024) {
    this.#scan = (text) => ({ ...scan(text), tokens: estimateTokens(text) })
    this.#scans = new ContentCache(() => ENTRY_BYTES, budgetBytes)
  }

  scan(text: string, place?: Place): Scanned {
    return this.#scans.of(text, '', this.#scan, place)
  }
}

const ENTRY_BYTES = 256
/** Tokens of what an image becomes, at the highest resolution, and of a page of a document. */
const IMAGE_TOKENS = 5000
/** Tokens that a message, and the use of tools, add by themselves. */
const MESSAGE_TOKENS = 8
const TOOLS_TOKENS = 1000
/** Code units on both sides of a border that are searched for phrases across it. */
const BORDER = 1024
/** Most names in one list of facts. */
const MAX_NAMES = 1000

/**
 * What policy sees of a Messages API request. Detectors and phrases are looked for in all text that the model would
 * see; phrases also across the borders of blocks, which the model does not see.
 * @param betas values of the `anthropic-beta` header.
 */
export function anthropicFacts(
  request: MessagesRequest,
  betas: readonly string[],
  cache: ScanCache,
): Omit<Facts, 'paths'> {
  const found = new Found()
  const detectors: Record<string, number> = {}
  const phrases = new Set<string>()
  let tokens = request.messages.length * MESSAGE_TOKENS
  if (Array.isArray(request['tools'])) tokens += TOOLS_TOKENS
  for (const group of groups(request, found)) {
    let before = ''
    for (const { text, place } of group) {
      const scanned = cache.scan(text, place)
      tokens += scanned.tokens
      scanned.phrases.forEach((name) => phrases.add(name))
      for (const [name, count = 0] of Object.entries(scanned.detectors)) {
        detectors[name] = (detectors[name] ?? 0) + count
      }
      if (before !== '') {
        const border = before.slice(-BORDER) + text.slice(0, BORDER)
        cache.scan(border).phrases.forEach((name) => phrases.add(name))
      }
      before = text
    }
  }
  return {
    detectors,
    phrases: [...phrases],
    incomplete: found.incomplete,
    anthropic: {
      model: request.model,
      stream: request['stream'] === true,
      ...(isCount(request['max_tokens']) && { max_tokens: request['max_tokens'] }),
      messages: request.messages.length,
      ...found.lists(request, betas),
      token_estimate: tokens + found.tokens,
    },
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value)

/** Texts of the request, in groups that the model sees as one: an entry of `system`, a message, a tool, a field. */
function* groups(request: MessagesRequest, found: Found): Generator<Piece[]> {
  for (const [field, value] of Object.entries(request)) {
    if (field === 'messages' || field === 'tools' || field === 'system') continue
    if (field !== 'metadata' && field !== 'model')
      yield pieces(texts(value, field, request, undefined))
  }
  yield blocks(request['system'], found, request, 'system')
  const tools = Array.isArray(request['tools']) ? request['tools'] : [request['tools']]
  for (const tool of tools) {
    found.tool(tool)
    yield pieces(texts(tool, undefined, undefined, undefined))
  }
  for (const message of request.messages) {
    if (isRecord(message)) yield blocks(message['content'], found, message, 'content')
    else yield blocks(message, found, undefined, 'content')
  }
}

/** A text that the model sees, and where it stands when it stands there as a whole. */
type Piece = { readonly text: string; readonly place?: Place }

const pieces = (list: readonly string[]): Piece[] => list.map((text) => ({ text }))

/** One text for each block. */
function blocks(content: unknown, found: Found, parent: object | undefined, key: string): Piece[] {
  if (typeof content === 'string')
    return [{ text: content, ...(parent && { place: { parent, key } }) }]
  if (!Array.isArray(content)) return pieces(texts(content, undefined, undefined, found))
  return content.flatMap((block): Piece[] => {
    found.block(block)
    const [first, ...others] = texts(block, undefined, undefined, found)
    if (first === undefined) return []
    if (others.length > 0) return [{ text: [first, ...others].join('\n') }]
    const at = isRecord(block) ? ['text', 'content'].find((one) => block[one] === first) : undefined
    return [
      { text: first, ...(at !== undefined && { place: { parent: block as object, key: at } }) },
    ]
  })
}

/**
 * Every string below a value that the model would read, keys of inputs and schemas included.
 * @param found `undefined` where values are data and not blocks, whatever they look like.
 */
function texts(
  value: unknown,
  key: string | number | undefined,
  parent: unknown,
  found: Found | undefined,
): string[] {
  if (typeof value === 'string') return found && isUnread(key, parent, value) ? [] : [value]
  if (typeof value === 'number') return [String(value)]
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      if (key === 'content') found?.block(item)
      return texts(item, undefined, value, found)
    })
  }
  if (!isRecord(value)) return []
  return Object.entries(value).flatMap(([name, item]) => {
    if (isRecord(item)) {
      if (found && isFixed(name, value, item)) return []
      if (name === 'source') found?.source(item, typeOf(value))
      if (name === 'content') found?.block(item)
      if (name === 'definition' && typeOf(value) === 'tool_definition') found?.tool(item)
    }
    const data = name === 'input' || name === 'input_schema' || name === 'definition'
    const inner = texts(item, name, value, data ? undefined : found)
    return found === undefined ? [name, ...inner] : inner
  })
}

/** All text of a value that is data: the input of a tool call. */
export const dataText = (value: unknown): string =>
  texts(value, undefined, undefined, undefined).join('\n')

/** Strings that are not text to the model: base64, signatures, encrypted values, ids. */
function isUnread(key: string | number | undefined, parent: unknown, value: string): boolean {
  if (key === 'name' || isSigned(key, parent)) return false
  return isFixed(key, parent, value)
}

/** Collects names on the way down a request. */
class Found {
  readonly #tools = new Set<string>()
  readonly #serverTools = new Set<string>()
  readonly #urls = new Set<string>()
  readonly #features = new Set<string>()
  readonly #unknown = new Set<string>()
  readonly #opaque = new Set<string>()
  readonly incomplete: string[] = []
  tokens = 0

  tool(tool: unknown): void {
    if (!isRecord(tool)) return
    const type = typeOf(tool)
    const family = type?.replace(/_\d{8}$/, '')
    if (type !== undefined && !clientTools.has(family ?? '')) this.#serverTools.add(type)
    else this.#tools.add(typeof tool['name'] === 'string' ? tool['name'] : (type ?? '?'))
  }

  block(block: unknown): void {
    const type = typeOf(block)
    if (type === undefined) return
    if (type === 'container_upload') this.#features.add('container_upload')
    if (type === 'image') this.tokens += IMAGE_TOKENS
    if (opaqueBlocks.has(type)) this.#opaque.add(type)
    else if (type !== 'document' && !inspectedBlocks.has(type)) this.#unknown.add(type)
  }

  source(source: Readonly<Record<string, unknown>>, block: string | undefined): void {
    const { type, url, data } = source
    if (type === 'url') this.#urls.add(hostOf(url))
    else if (type === 'file') this.#features.add('file')
    else if (type !== 'text' && type !== 'content' && type !== 'base64')
      this.#features.add(typeof type === 'string' ? `source:${type}` : 'source')
    if (block === 'document' && type !== 'text' && type !== 'content') {
      this.#opaque.add('document')
      // About 50 bytes of a PDF for a token, its page images included; a guess that policy knows as uninspected.
      this.tokens += IMAGE_TOKENS + (typeof data === 'string' ? Math.ceil(data.length / 50) : 0)
    }
  }

  lists(request: MessagesRequest, header: readonly string[]): Lists {
    for (const field of providerFields) {
      if (request[field] !== undefined && request[field] !== null) this.#features.add(field)
    }
    const betas = Array.isArray(request['betas']) ? request['betas'].map(String) : []
    const servers = Array.isArray(request['mcp_servers']) ? request['mcp_servers'] : []
    const lists = {
      tools: [...this.#tools],
      server_tools: [...this.#serverTools],
      mcp_servers: servers.map((server) => hostOf(isRecord(server) ? server['url'] : undefined)),
      url_sources: [...this.#urls],
      provider_features: [...this.#features],
      betas: [...new Set([...header, ...betas])],
      unknown_fields: Object.keys(request).filter((field) => !knownFields.has(field)),
      unknown_blocks: [...this.#unknown],
      uninspected_blocks: [...this.#opaque],
    }
    for (const [name, list] of Object.entries(lists)) {
      // Fail closed: what is cut off is said.
      if (list.length > MAX_NAMES) this.incomplete.push(`anthropic.${name}: more than fits`)
      list.splice(MAX_NAMES)
    }
    return lists
  }
}

type Lists = Omit<AnthropicFacts, 'model' | 'stream' | 'max_tokens' | 'messages' | 'token_estimate'>

function hostOf(url: unknown): string {
  if (typeof url !== 'string' || !URL.canParse(url)) return '?'
  return new URL(url).host || '?'
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
