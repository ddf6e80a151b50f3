import { isUtf8 } from 'node:buffer'
import { err, ok, type Result } from '../../../pdp/contract/result.ts'
import type { Refusal } from '../../core/refusal.ts'
import { parseStrict, rewrite } from '../../facts/json-text.ts'
import { TOOL_USE } from '../../facts/anthropic-fields.ts'
import { isObject } from './events.ts'
import { refusalText } from './refuse.ts'
import { maskStrings, redactLiterals, ReplyCut, type ReplyParts } from './reply.ts'

/**
 * Inspects a reply that is not streamed: tool calls are decided one after the other, text is masked. A refused
 * call becomes a text block, and `stop_reason` no longer promises a call when none is left.
 * @returns the bytes to send, or why nothing of the reply may be.
 */
export async function inspectJson(
  parts: ReplyParts,
  body: Buffer,
): Promise<Result<Buffer, Refusal>> {
  if (!isUtf8(body)) return refuse('the answer is not UTF-8')
  const text = body.toString('utf8')
  const parsed = parseStrict(text)
  if (!parsed.ok) return refuse(`the answer is ${parsed.error}`)
  try {
    if (isObject(parsed.value)) parts.observe?.(parsed.value)
    const calls = toolCalls(text, parsed.value)
    const replaced = calls.length === 0 ? text : await decideCalls(parts, text, parsed.value, calls)
    const masked = maskStrings(parts, replaced, JSON.parse(replaced))
    return ok(redactLiterals(parts, Buffer.from(masked)))
  } catch (error) {
    // Fail closed: what could not be masked is not sent.
    if (error instanceof ReplyCut) return refuse(error.message)
    return refuse('the answer could not be inspected')
  }
}

const refuse = (message: string): Result<never, Refusal> =>
  err({ code: 'response_refused', message })

type Call = {
  readonly index: number
  readonly name: string
  readonly input: string
  readonly id?: string
}

/** Blocks of the message that are tool calls. @throws {ReplyCut} for one that is not of the known form. */
function toolCalls(text: string, message: unknown): Call[] {
  const calls: Call[] = []
  rewrite<'root' | 'content' | 'block'>(
    text,
    message,
    (value, key, parent, context) => {
      switch (context) {
        case 'root':
          if (parent === undefined) return {}
          return key === 'content' ? { context: 'content' } : { skip: true }
        case 'content':
          if (!isToolUse(value)) return { skip: true }
          if (typeof value.name !== 'string') throw new ReplyCut('a tool call has no name')
          if (typeof key !== 'number') throw new ReplyCut('the content is not a list')
          calls.push({
            index: key,
            name: value.name,
            input: '{}',
            ...(typeof value.id === 'string' && { id: value.id }),
          })
          return { context: 'block' }
        case 'block':
          return key === 'input'
            ? {
                replace: (input) => {
                  const last = calls.pop()
                  if (last) calls.push({ ...last, input })
                  return input
                },
              }
            : { skip: true }
        default:
          return context satisfies never
      }
    },
    'root',
  )
  return calls
}

async function decideCalls(
  parts: ReplyParts,
  text: string,
  message: unknown,
  calls: readonly Call[],
): Promise<string> {
  const decided = new Map<number, Result<string, Refusal>>()
  for (const call of calls) decided.set(call.index, await parts.admit(call))
  const left = [...decided.values()].some((admitted) => admitted.ok)
  return rewrite<'root' | 'content' | number>(
    text,
    message,
    (value, key, parent, context) => {
      if (parent === undefined) return {}
      if (context === 'root') {
        if (key === 'content') return { context: 'content' }
        const ends = key === 'stop_reason' && value === TOOL_USE && !left
        return ends ? { replace: () => '"end_turn"' } : { skip: true }
      }
      if (context === 'content') {
        if (typeof key !== 'number') return { skip: true }
        const admitted = decided.get(key)
        if (admitted === undefined) return { skip: true }
        if (admitted.ok) return { context: key }
        const name = calls.find((call) => call.index === key)?.name ?? ''
        const refused = { type: 'text', text: refusalText(`the tool call ${name}`, admitted.error) }
        return { replace: () => JSON.stringify(refused) }
      }
      const admitted = decided.get(context)
      return key === 'input' && admitted?.ok ? { replace: () => admitted.value } : { skip: true }
    },
    'root',
  )
}

function isToolUse(value: unknown): value is { readonly name?: unknown; readonly id?: unknown } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === TOOL_USE
}
