import { readFile } from 'node:fs/promises'
import { query } from '@anthropic-ai/claude-agent-sdk'

// An agent that reaches Claude through Countersign. Two variables make the difference:
//   ANTHROPIC_BASE_URL    http://<enforcement point>/<connection>
//   ANTHROPIC_AUTH_TOKEN  the agent's own access token, here from a file that something else keeps fresh
//
//   ANTHROPIC_BASE_URL=… ACCESS_TOKEN_FILE=… node agent.mjs 'What is in this folder?'

const { ANTHROPIC_BASE_URL, ACCESS_TOKEN_FILE } = process.env
const prompt = process.argv.slice(2).join(' ')
if (!ANTHROPIC_BASE_URL || !ACCESS_TOKEN_FILE || !prompt) {
  console.error("ANTHROPIC_BASE_URL=… ACCESS_TOKEN_FILE=… node agent.mjs '<prompt>'")
  process.exit(2)
}

const token = (await readFile(ACCESS_TOKEN_FILE, 'utf8')).trim()
let failed = true
for await (const message of query({
  prompt,
  options: {
    maxTurns: 10,
    allowedTools: ['Bash', 'Read', 'Glob', 'Grep'],
    // `env` replaces the environment of the SDK's process: spread what it had.
    env: {
      ...process.env,
      ANTHROPIC_BASE_URL,
      ANTHROPIC_AUTH_TOKEN: token,
      // Everything else that it would call is out of reach.
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
  },
})) {
  if (message.type === 'assistant') {
    for (const block of message.message.content) {
      if (block.type === 'text') console.log(block.text)
      if (block.type === 'tool_use') console.log(`[${block.name}] ${JSON.stringify(block.input)}`)
    }
  }
  if (message.type === 'result') failed = message.is_error
}
process.exitCode = failed ? 1 : 0
