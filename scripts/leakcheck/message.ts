import type { SseEvent, SseStream } from './sse.ts'

type Json = Readonly<Record<string, unknown>>

/** A content block as a client puts it together. */
export type Block = {
  /** `content_block` of its start. */
  readonly start: Json
  /** Texts of its deltas, joined, by kind and field: `text_delta.text`. */
  readonly texts: ReadonlyMap<string, string>
  /** Other values of its deltas, in order: citations. */
  readonly others: readonly Json[]
}

export type Message = {
  readonly blocks: readonly Block[]
  readonly stop_reason: unknown
  readonly ending: 'message_stop' | 'error' | 'none'
  /** Events that are neither a block's nor the message's own. */
  readonly unknown: readonly Json[]
  /** Every string that a client may come to see. */
  readonly strings: readonly string[]
  /** What no client should have to cope with, in words. */
  readonly problems: readonly string[]
}

type OpenBlock = { start: Json; texts: Map<string, string>; others: Json[]; open: boolean }

/** Puts the events of a reply together; keeps on after a problem, to see all that arrived. */
export function readMessage({ events, problems }: SseStream): Message {
  const state = new Reading([...problems])
  for (const event of events) state.take(event)
  return state.message()
}

class Reading {
  readonly #problems: string[]
  readonly #blocks: OpenBlock[] = []
  readonly #unknown: Json[] = []
  readonly #strings: string[] = []
  #begun = false
  #stopReason: unknown
  #ending: Message['ending'] = 'none'

  constructor(problems: string[]) {
    this.#problems = problems
  }

  take({ name, data }: SseEvent): void {
    let value: unknown
    try {
      value = JSON.parse(data)
    } catch {
      this.#strings.push(data)
      this.#problems.push('an event that is not JSON')
      return
    }
    if (!isJson(value) || typeof value['type'] !== 'string') {
      this.#strings.push(...stringsOf(value))
      this.#problems.push('an event without a type')
      return
    }
    const type = value['type']
    if (name !== '' && name !== type) this.#problems.push(`an event ${name} of type ${type}`)
    if (this.#ending !== 'none' && type !== 'ping') this.#problems.push('an event behind the end')
    if (!this.#begun && type !== 'message_start' && type !== 'ping' && type !== 'error')
      this.#problems.push(`${type} before message_start`)
    this.#strings.push(...stringsOf(value))
    this.#dispatch(type, value)
  }

  #dispatch(type: string, value: Json): void {
    switch (type) {
      case 'message_start':
        if (this.#begun) this.#problems.push('a second message_start')
        this.#begun = true
        break
      case 'content_block_start':
        this.#start(value)
        break
      case 'content_block_delta':
        this.#delta(value)
        break
      case 'content_block_stop':
        this.#stop(value)
        break
      case 'message_delta':
        this.#allClosed()
        this.#stopReason = isJson(value['delta']) ? value['delta']['stop_reason'] : undefined
        break
      case 'message_stop':
        this.#allClosed()
        this.#ending = 'message_stop'
        break
      case 'error':
        this.#ending = 'error'
        break
      case 'ping':
        break
      default:
        this.#unknown.push(value)
    }
  }

  #start({ index, content_block: start }: Json): void {
    if (index !== this.#blocks.length) this.#problems.push('a block out of order')
    if (this.#blocks.some(({ open }) => open)) this.#problems.push('a block inside a block')
    if (!isJson(start)) this.#problems.push('a block without content')
    this.#blocks.push({
      start: isJson(start) ? start : {},
      texts: new Map(),
      others: [],
      open: true,
    })
  }

  #delta({ index, delta }: Json): void {
    const block = this.#blocks[Number(index)]
    if (!block?.open) this.#problems.push('a delta outside of its block')
    if (!isJson(delta)) this.#problems.push('a delta without content')
    else if (block) applied(block, delta)
  }

  #stop({ index }: Json): void {
    const block = this.#blocks[Number(index)]
    if (!block?.open) this.#problems.push('a stop outside of its block')
    else block.open = false
  }

  #allClosed(): void {
    if (this.#blocks.some(({ open }) => open))
      this.#problems.push('the message ends inside a block')
  }

  message(): Message {
    for (const { texts } of this.#blocks) {
      const input = texts.get('input_json_delta.partial_json') ?? ''
      if (input === '') continue
      try {
        this.#strings.push(...stringsOf(JSON.parse(input)))
      } catch {
        if (this.#ending !== 'error') this.#problems.push('a tool input that is not JSON')
      }
    }
    if (this.#ending === 'none') this.#problems.push('no message_stop')
    return {
      blocks: this.#blocks,
      stop_reason: this.#stopReason,
      ending: this.#ending,
      unknown: this.#unknown,
      strings: [
        ...this.#strings,
        ...this.#blocks.flatMap(({ texts }) => [...texts.values()]),
        shownText(this.#blocks),
      ],
      problems: [...new Set(this.#problems)],
    }
  }
}

function applied(block: OpenBlock, delta: Json): void {
  const { type, ...fields } = delta
  for (const [field, value] of Object.entries(fields)) {
    const key = `${String(type)}.${field}`
    if (typeof value !== 'string') block.others.push({ [key]: value })
    else block.texts.set(key, startOf(block, type, field) + value)
  }
}

/** Texts of all blocks as one, the way a reader shows them. */
const shownText = (blocks: readonly OpenBlock[]): string =>
  blocks
    .filter(({ start }) => start['type'] === 'text')
    .map(({ texts, start }) => texts.get('text_delta.text') ?? textIn(start))
    .join('')

const textIn = ({ text }: Json): string => (typeof text === 'string' ? text : '')

/** What was said so far; a block's start may already hold text. */
function startOf({ texts, start }: OpenBlock, type: unknown, field: string): string {
  const key = `${String(type)}.${field}`
  const first = start[field]
  return texts.get(key) ?? (typeof first === 'string' ? first : '')
}

/** Every string in a value, names of fields as well. */
function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...stringsOf(inner)])
}

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
