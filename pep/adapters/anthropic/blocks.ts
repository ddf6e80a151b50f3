import { StringDecoder } from 'node:string_decoder'
import type { ByteMasker } from '../../mask/bytes.ts'
import type { SseFrame } from '../../mask/sse.ts'
import type { TextMasker } from '../../mask/text.ts'
import type { Block } from './block.ts'
import { isObject, type JsonObject, own } from './events.ts'
import { isFixed, isSigned, TOOL_USE } from '../../facts/anthropic-fields.ts'
import { altered, maskStrings, ReplyCut, type ReplyParts, SIGNED_FINDING } from './reply.ts'
import { quietBlock } from './quiet-block.ts'
import { createTextRun, type TextRun } from './text-run.ts'
import { holdToolCall } from './tool-block.ts'

/** What a part of a block is masked with; it keeps its state from event to event. */
type Channel = {
  readonly type: string
  readonly field: string
  readonly push: (text: string) => string
  readonly end: () => string
  readonly tally: () => void
}

const NOTHING = Buffer.alloc(0)

/**
 * @param waiting the text of the block before, whose end is not known.
 * @returns the block, and what of its start can go out.
 */
export function openBlock(
  parts: ReplyParts & { readonly maxInputBytes: number },
  index: number,
  event: JsonObject,
  frame: SseFrame,
  waiting?: TextRun,
): { block: Block; out: Buffer } {
  const content = event['content_block']
  if (!isObject(content) || typeof content['type'] !== 'string') {
    throw new ReplyCut('a block has no type')
  }
  if (content['type'] === TOOL_USE) {
    return { block: holdToolCall(parts, index, event, content, frame), out: NOTHING }
  }
  const { type } = content
  const begins = goesOn[type]
  // Text in the start is rare, and goes the way of masked text.
  const quiet = begins === undefined || content[begins] === undefined || content[begins] === ''
  if (quiet && !parts.ruled && !parts.restorer)
    return {
      block: quietBlock(parts, index, type === 'text'),
      out: maskEvent(parts, event) ?? frame.raw,
    }
  const run = type === 'text' ? (waiting ?? createTextRun(parts)) : undefined
  const block = streamBlock(parts, index, content, run)
  const begin = (start: Buffer): Buffer => run?.begin(index, start) ?? start
  const field = goesOn[type]
  const first = field === undefined ? undefined : content[field]
  if (field !== undefined && typeof first === 'string' && first !== '') {
    // Text in the start may be the begin of a finding: it goes the way of a delta.
    const start = { ...event, content_block: { ...content, [field]: '' } }
    const delta = { index, delta: { type: `${type}_delta`, [field]: first } }
    const frameOfDelta = { ...frame, raw: own('content_block_delta', delta) }
    return {
      block,
      out: Buffer.concat([
        begin(maskEvent(parts, start) ?? own('content_block_start', { ...start })),
        block.delta({ type: 'content_block_delta', ...delta }, frameOfDelta),
      ]),
    }
  }
  return { block, out: begin(maskEvent(parts, event) ?? frame.raw) }
}

/** Blocks whose text may begin in the start and go on in deltas of the block's name, and the field it is in. */
const goesOn: Readonly<Record<string, string>> = {
  text: 'text',
  thinking: 'thinking',
  compaction: 'content',
}

/** A block whose text goes out as it comes, but for what may still become a finding. */
function streamBlock(
  parts: ReplyParts,
  index: number,
  content: JsonObject,
  run: TextRun | undefined,
): Block {
  // By field: whatever deltas it comes in, it is one text to its reader.
  const channels = new Map<string, Channel>()
  const content_type = String(content['type'])
  /** Fields that a signature ended: what followed would be looked at without what came before. */
  const sealed = new Set<string>()

  function channel(type: string, field: string): Channel {
    let known = channels.get(field)
    if (known === undefined) {
      // Fail closed: what the start holds was masked by itself, and a value could begin there.
      if (
        typeof content[field] === 'string' &&
        content[field] !== '' &&
        goesOn[content_type] !== field
      )
        throw new ReplyCut('a block of unknown kind begins with text and goes on with more')
      known =
        field === 'partial_json'
          ? jsonChannel(parts, type, field)
          : textChannel(parts, type, field, isSigned(field, { type }))
      channels.set(field, known)
    }
    return known
  }

  function flush(): Buffer[] {
    return [...channels.values()].flatMap(({ type, field, end }) => {
      const tail = end()
      return tail === ''
        ? []
        : [own('content_block_delta', { index, delta: { type, [field]: tail } })]
    })
  }

  function delta(event: JsonObject, frame: SseFrame): Buffer {
    const change = event['delta']
    if (!run || !isObject(change) || typeof change['text'] !== 'string') {
      const out = others(event, frame)
      return run ? run.pass(out) : out
    }
    const { text, ...rest } = change
    const { type: _type, index: _index, delta: _delta, ...around } = event
    const alone = Object.keys(rest).length === 1 && Object.keys(around).length === 0
    if (alone) return run.push(text, frame)
    // What comes with the text goes by itself.
    const without = { ...event, delta: { ...rest, text: '' } }
    const raw = own('content_block_delta', { index, ...around, delta: without.delta })
    const textAlone = own('content_block_delta', { index, delta: { type: rest['type'], text } })
    return Buffer.concat([
      run.pass(others(without, { ...frame, raw })),
      run.push(text, { ...frame, raw: textAlone }),
    ])
  }

  function others(event: JsonObject, frame: SseFrame): Buffer {
    const change = event['delta']
    if (!isObject(change) || typeof change['type'] !== 'string') {
      throw new ReplyCut('a delta has no type')
    }
    const { type, ...fields } = change
    // The signature ends the thinking: what was held of it goes first.
    const before = type === 'signature_delta' ? flush() : []
    if (type === 'signature_delta') channels.forEach(({ field }) => sealed.add(field))
    const { type: _type, index: _index, delta: _delta, ...beside } = event
    const masked = maskFields(type, fields)
    const around = maskObject(parts, beside)
    if (masked.same && around === undefined) return Buffer.concat([...before, frame.raw])
    if (masked.empty && around === undefined) return NOTHING
    const out = own('content_block_delta', {
      index,
      ...beside,
      ...around,
      delta: { type, ...masked.out },
    })
    return Buffer.concat([...before, out])
  }

  function maskFields(
    type: string,
    fields: JsonObject,
  ): { out: JsonObject; same: boolean; empty: boolean } {
    const out: JsonObject = { ...fields }
    let same = true
    let empty = true
    for (const [field, value] of Object.entries(fields)) {
      if (
        typeof value === 'string' &&
        (isSigned(field, { type }) || !isFixed(field, fields, value))
      ) {
        if (sealed.has(field)) throw new ReplyCut('a block goes on behind its signature')
        const text = channel(type, field).push(value)
        out[field] = text
        same &&= text === value
        empty &&= text === ''
      } else {
        const inner = maskObject(parts, { [field]: value })
        same &&= inner === undefined
        empty = false
        Object.assign(out, inner)
      }
    }
    return { out, same, empty }
  }

  return {
    held: false,
    text: content_type === 'text',
    delta,
    ...(run && { run }),
    tally: () => channels.forEach((one) => one.tally()),
    stop(frame) {
      const tail = Buffer.concat(flush())
      channels.forEach((one) => one.tally())
      const out = run ? [run.pass(tail), run.stop(frame)] : [tail, frame.raw]
      return Promise.resolve({ out: Buffer.concat(out) })
    },
  }
}

function textChannel(parts: ReplyParts, type: string, field: string, watch: boolean): Channel {
  const masker: TextMasker = parts.mask.text()
  const checked = (out: string): string => {
    if (watch && altered(masker.counts, parts.altering)) {
      throw new ReplyCut(SIGNED_FINDING)
    }
    return out
  }
  return {
    type,
    field,
    push: (text) => checked(masker.push(text)),
    end: () => checked(masker.end()),
    tally: () => parts.findings.add(masker.counts, parts.altering),
  }
}

/** JSON in pieces: the input of a tool that runs at the provider. */
function jsonChannel(parts: ReplyParts, type: string, field: string): Channel {
  const masker: ByteMasker = parts.mask.json()
  const decoder = new StringDecoder('utf8')
  let empty = true
  /** Of a surrogate pair, which is no character without the other. */
  let half = ''
  return {
    type,
    field,
    push(text) {
      empty &&= text === ''
      const all = half + text
      half = /[\ud800-\udbff]$/.exec(all)?.[0] ?? ''
      return decoder.write(masker.push(Buffer.from(all.slice(0, all.length - half.length))))
    },
    // A tool without arguments may send no JSON at all.
    end: () =>
      empty
        ? ''
        : decoder.write(masker.push(Buffer.from(half))) +
          decoder.write(masker.end()) +
          decoder.end(),
    tally: () => parts.findings.add(masker.counts, parts.altering),
  }
}

/** @returns the object with its text masked; `undefined`: nothing changed. */
function maskObject(parts: ReplyParts, value: JsonObject): JsonObject | undefined {
  if (Object.keys(value).length === 0) return undefined
  const before = JSON.stringify(value)
  const after = maskStrings(parts, before, value)
  return before === after ? undefined : (JSON.parse(after) as JsonObject)
}

function maskEvent(parts: ReplyParts, event: JsonObject): Buffer | undefined {
  const masked = maskObject(parts, event)
  if (masked === undefined) return undefined
  const { type, ...fields } = masked
  return own(String(type), fields)
}
