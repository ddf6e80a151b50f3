import type { Adapter } from '../../core/adapter.ts'
import { createExtraction } from './extraction.ts'
import { handle, refuse } from './handle.ts'

/** Most bytes of a reply that is not streamed. Replies of server tools with files are the longest. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Most bytes of one tool call in a stream; it is held until all of it is there. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024

/** Claude's Messages API. */
export const anthropic: Adapter = {
  kind: 'anthropic',
  options: {},
  sessionHeaders: ['x-claude-code-session-id'],
  open(_options, services) {
    const parts = {
      ...services,
      extraction: createExtraction(),
      maxAnswerBytes: MAX_ANSWER_BYTES,
      maxInputBytes: MAX_INPUT_BYTES,
    }
    return {
      http: {
        handle: (exchange) => handle(parts, exchange),
        refuse: (arrival, refusal) => refuse(parts, arrival, refusal),
      },
      inspection: {
        inspected: [
          'POST /v1/messages, streamed or not, count_tokens and models; other paths are refused',
          'text of prompts, tools and tool results; text, citations and tool calls of replies',
          'tool calls (tool_use), one decision each, with parsed shell commands',
        ],
        not_inspected: [
          'images, PDF and other encoded documents (facts.anthropic.uninspected_blocks)',
          'what tools do at the provider, until it is in the reply (server tools, MCP servers)',
          'what an agent runs without a tool call in a reply',
        ],
      },
    }
  },
}
