import { encodeSse, SseDecoder, type SseFrame } from '../../mask/sse.ts'
import { parseStrict } from '../../facts/json-text.ts'
import type { Block } from './block.ts'
import { openBlock } from './blocks.ts'
import type { TextRun } from './text-run.ts'
import { isObject, type JsonObject, messageEnd, own, textBlock } from './events.ts'
import {
  maskJson,
  maskStrings,
  maskText,
  redactLiterals,
  ReplyCut,
  type ReplyParts,
} from './reply.ts'

/** Longest event that is read, bytes. Results of server tools come in one event. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024

/** Most blocks that are open at once; each holds scanners. The API sends one after the other. */
const MAX_OPEN = 32

export type StreamParts = ReplyParts & {
  /** Sends bytes to the client, in order; resolves when more may follow. */
  readonly write: (bytes: Buffer) => Promise<void>
  /** Puts the outcome on record, and the bytes that are sent once it is; awaited before the terminal event goes out. */
  readonly record: (outcome: StreamOutcome, last: Buffer) => Promise<void>
  /** Named in the notice of a cut. */
  readonly decision_id: string
  /** Most bytes of one tool call's input. */
  readonly maxInputBytes: number
}

export type StreamOutcome = {
  readonly result: 'completed' | 'failed' | 'cut'
  readonly reason?: string
}

export type ReplyStream = {
  /** Takes bytes of the upstream's answer. @throws {ReplyCut} nothing was sent yet: answer with a refusal. */
  readonly feed: (bytes: Uint8Array) => Promise<void>
  /** The upstream's answer ended. @returns whether the client got its end as well; if not, break the connection off. */
  readonly end: () => Promise<boolean>
  /** Whether the client has been sent anything, and whether it has its end. */
  readonly started: boolean
  readonly ended: boolean
}

/** Frames of our own while a tool call waits for approval; the SDK skips them. */
const PING = Buffer.from('event: ping\ndata: {"type": "ping"}\n\n')

/** Inspects a streamed reply: event by event, in order, one tool call at a time. */
export function createReplyStream(parts: StreamParts): ReplyStream {
  const decoder = new SseDecoder(MAX_EVENT_BYTES)
  const open = new Map<number, Block>()
  const calls = { released: 0, refused: 0 }
  /** Index of the next block; blocks begin in order. */
  let next = 0
  let begun = false
  let started = false
  let ended = false
  let outputTokens = 0
  /** Text of the block before, which may go on in the next. */
  let waiting: TextRun | undefined

  async function send(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return
    started = true
    await parts.write(bytes)
  }

  async function feed(bytes: Uint8Array): Promise<void> {
    try {
      for (const frame of decoder.feed(bytes)) {
        if (ended) return // nothing follows the end
        await handle(frame)
      }
    } catch (error) {
      await cut(error)
    }
  }

  async function handle(frame: SseFrame): Promise<void> {
    if (frame.data === undefined) return send(comment(frame))
    const parsed = parseStrict(frame.data)
    if (!parsed.ok) throw new ReplyCut(`an event is ${parsed.error}`)
    const event = parsed.value
    if (!isObject(event) || typeof event['type'] !== 'string')
      throw new ReplyCut('an event has no type')
    if (frame.event !== undefined && frame.event !== event['type'])
      throw new ReplyCut('an event is not what it is called')
    await dispatch(event['type'], event, plain(frame))
  }

  async function dispatch(type: string, event: JsonObject, frame: SseFrame): Promise<void> {
    if (waiting && type !== 'ping' && !beginsText(type, event)) await endText(waiting)
    switch (type) {
      case 'message_start':
        return messageStart(event, frame)
      case 'content_block_start':
        return blockStart(event, frame)
      case 'content_block_delta':
        return send(redacted(blockOf(event).delta(event, frame)))
      case 'content_block_stop':
        return blockStop(event, frame)
      case 'message_delta':
        return messageDelta(event, frame)
      case 'message_stop':
        if (open.size > 0) throw new ReplyCut('the message ended inside a block')
        return finish({ result: 'completed' }, masked(event, frame))
      case 'error':
        return finish(
          { result: 'failed', reason: 'the upstream reported an error' },
          masked(event, frame),
        )
      default:
        return type === 'ping' ? send(masked(event, frame)) : send(unknown(frame))
    }
  }

  async function finish(outcome: StreamOutcome, last: Buffer): Promise<void> {
    await parts.record(outcome, last)
    ended = true
    return send(last)
  }

  /** No text follows. */
  async function endText(run: TextRun): Promise<void> {
    waiting = undefined
    const out = run.end()
    run.tally()
    await send(redacted(out))
  }

  async function messageStart(event: JsonObject, frame: SseFrame): Promise<void> {
    const message = event['message']
    const content = isObject(message) ? message['content'] : undefined
    // Content given here would pass by the blocks' automata.
    if (begun) throw new ReplyCut('a second message began')
    begun = true
    if (!Array.isArray(content) || content.length > 0)
      throw new ReplyCut('a message began with content')
    parts.observe?.(event)
    return send(masked(event, frame))
  }

  async function blockStart(event: JsonObject, frame: SseFrame): Promise<void> {
    const index = event['index']
    if (index !== next) throw new ReplyCut('a block is out of order')
    if (open.size === MAX_OPEN) throw new ReplyCut('too many blocks are open at once')
    // Nothing begins inside a tool call, so one that is open is the last that began: the others need no look.
    if (open.get(next - 1)?.held) throw new ReplyCut('a block began inside a tool call')
    const { block, out } = openBlock(parts, index, event, frame, waiting)
    waiting = undefined
    open.set(index, block)
    next += 1
    await send(redacted(out))
  }

  async function blockStop(event: JsonObject, frame: SseFrame): Promise<void> {
    const block = blockOf(event)
    const stopped = await block.stop({ ...frame, raw: masked(event, frame) }, ping)
    open.delete(Number(event['index']))
    waiting = block.run
    if (stopped.call !== undefined) calls[stopped.call] += 1
    await send(redacted(stopped.out))
  }

  async function messageDelta(event: JsonObject, frame: SseFrame): Promise<void> {
    if (open.size > 0) throw new ReplyCut('the message ended inside a block')
    parts.observe?.(event)
    const { delta, usage } = event
    if (isObject(usage) && typeof usage['output_tokens'] === 'number')
      outputTokens = usage['output_tokens']
    const noCallLeft = calls.refused > 0 && calls.released === 0
    if (!noCallLeft || !isObject(delta) || delta['stop_reason'] !== 'tool_use')
      return send(masked(event, frame))
    const data = JSON.stringify({ ...event, delta: { ...delta, stop_reason: 'end_turn' } })
    return send(
      masked(JSON.parse(data) as JsonObject, { ...frame, data, raw: encodeSse(frame.event, data) }),
    )
  }

  const ping = (): void => {
    // The client is gone then; its signal ends the wait.
    send(PING).catch(() => undefined)
  }

  function blockOf(event: JsonObject): Block {
    const block = open.get(Number(event['index']))
    if (block === undefined) throw new ReplyCut('an event is about a block that is not open')
    return block
  }

  /** The frame with its text masked; its own bytes where nothing was found. */
  function masked(event: JsonObject, frame: SseFrame): Buffer {
    const data = frame.data ?? ''
    const out = maskStrings(parts, data, event)
    return redacted(out === data ? frame.raw : encodeSse(frame.event, out))
  }

  /** An event that is not known: nothing in it needs to stay as it is. */
  function unknown(frame: SseFrame): Buffer {
    const data = frame.data ?? ''
    const out = maskJson(parts, data)
    if (out === data) return redacted(frame.raw)
    const name = frame.event === undefined ? undefined : maskText(parts, frame.event)
    return redacted(encodeSse(name, out))
  }

  const redacted = (bytes: Buffer): Buffer =>
    bytes.length === 0 ? bytes : redactLiterals(parts, bytes)

  function comment(frame: SseFrame): Buffer {
    const masker = parts.mask.text()
    const text = frame.comments.join('\n')
    const clean = masker.push(text) + masker.end() === text
    // A comment keeps the connection open; its text is not needed.
    return clean && isPlain(frame) && frame.event === undefined
      ? redacted(frame.raw)
      : Buffer.from(':\n\n')
  }

  /** Ends the reply in a form that its reader understands. @throws {ReplyCut} when nothing was sent yet. */
  async function cut(cause: unknown): Promise<void> {
    // Also for a defect: what could not be inspected does not follow, whatever the reason.
    const reason = cause instanceof ReplyCut ? cause.message : 'the answer could not be inspected'
    if (!started) throw cause instanceof ReplyCut ? cause : new ReplyCut(reason, { cause })
    if (ended) return
    ended = true
    for (const block of open.values()) {
      block.tally()
      block.run?.tally()
    }
    waiting?.tally()
    const notice = `[Countersign cut this reply: ${reason} (decision ${parts.decision_id}).]`
    const last = Buffer.concat(closing(notice))
    await parts.record({ result: 'cut', reason }, last)
    await send(last)
  }

  function closing(notice: string): Buffer[] {
    const out: Buffer[] = []
    let noticed = false
    if (waiting) out.push(waiting.abandon())
    for (const [index, block] of open) {
      if (block.run) out.push(block.run.abandon())
      if (block.held) {
        next = index
        continue
      }
      if (block.text) {
        out.push(own('content_block_delta', { index, delta: { type: 'text_delta', text: notice } }))
        noticed = true
      }
      out.push(own('content_block_stop', { index }))
    }
    if (!noticed) out.push(textBlock(next, notice))
    // Calls that were released are answered by the client, so the message ends with them.
    out.push(messageEnd(calls.released > 0 ? 'tool_use' : 'end_turn', outputTokens))
    return out
  }

  return {
    feed,
    async end() {
      // Half an event at the end is not forwarded: no reader would dispatch it.
      decoder.end()
      if (!ended)
        await parts.record(
          { result: 'failed', reason: 'the upstream ended in the middle of its answer' },
          Buffer.alloc(0),
        )
      return ended
    },
    get started() {
      return started
    },
    get ended() {
      return ended
    },
  }
}

const beginsText = (type: string, { content_block }: JsonObject): boolean =>
  type === 'content_block_start' && isObject(content_block) && content_block['type'] === 'text'

const isPlain = (frame: SseFrame): boolean =>
  frame.unknown.length === 0 && frame.id === undefined && frame.retry === undefined

/** Without what was not inspected: ids, unknown fields, comments inside an event. */
function plain(frame: SseFrame): SseFrame {
  if (isPlain(frame) && frame.comments.length === 0) return frame
  return { ...frame, raw: encodeSse(frame.event, frame.data ?? '') }
}
