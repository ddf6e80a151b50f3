import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

export const AGENT_SDK = '@anthropic-ai/claude-agent-sdk'
export const AGENT_SDK_VERSION = '0.3.329'

/** What is used of the SDK: it is no dependency, so its own types are not there. */
type Query = (asked: {
  readonly prompt: string
  readonly options: Readonly<Record<string, unknown>>
}) => AsyncIterable<SdkMessage>

type SdkBlock = { readonly type: string; readonly text?: string; readonly name?: string }
type SdkMessage = {
  readonly type: string
  readonly subtype?: string
  readonly session_id?: string
  readonly message?: { readonly content: string | readonly SdkBlock[] }
  readonly event?: { readonly delta?: { readonly text?: string } }
  readonly result?: string
  readonly is_error?: boolean
}

/** What one query did, as the SDK's user sees it. */
export type Answer = {
  readonly session: string
  /** Text of whole messages. */
  readonly text: string
  /** Text as it streamed. */
  readonly streamed: string
  /** Names of tools that the SDK was asked to run. */
  readonly tools: readonly string[]
  readonly result: string
  readonly failed: boolean
}

export type AgentSdk = {
  readonly version: string
  readonly ask: (prompt: string, gateway: Gateway) => Promise<Answer>
}

export type Gateway = {
  /** `ANTHROPIC_BASE_URL` */
  readonly url: string
  /** `ANTHROPIC_AUTH_TOKEN` */
  readonly token: string
  /** Home of the SDK and the folder that it works in. */
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

/** Installs the SDK into a folder of its own, unless it is there, and loads it. The network is npm's registry only. */
export async function loadAgentSdk(folder: string): Promise<AgentSdk> {
  // Nobody else may put code there: it is run.
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const require = createRequire(join(folder, 'package.json'))
  const installed = (): string | undefined => {
    try {
      const path = join(folder, 'node_modules', AGENT_SDK, 'package.json')
      return (require(path) as { readonly version: string }).version
    } catch {
      return undefined
    }
  }
  if (installed() !== AGENT_SDK_VERSION) {
    const packages = [`${AGENT_SDK}@${AGENT_SDK_VERSION}`]
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--save-exact']
    await promisify(execFile)('npm', ['install', ...flags, ...packages], { cwd: folder })
  }
  const entry = pathToFileURL(require.resolve(AGENT_SDK)).href
  const { query } = (await import(entry)) as { readonly query: Query }
  return { version: AGENT_SDK_VERSION, ask: (prompt, gateway) => ask(query, prompt, gateway) }
}

async function ask(query: Query, prompt: string, gateway: Gateway): Promise<Answer> {
  const abortController = new AbortController()
  gateway.signal?.addEventListener('abort', () => abortController.abort())
  const said = { session: '', text: '', streamed: '', result: '', failed: true }
  const tools: string[] = []
  const messages = query({
    prompt,
    options: {
      abortController,
      cwd: gateway.folder,
      maxTurns: 4,
      includePartialMessages: true,
      settingSources: [],
      // Whatever the model asks for would run: so it shows when something gets through that should not.
      permissionMode: 'bypassPermissions',
      allowDangerouslySkipPermissions: true,
      env: {
        ...gateway.env,
        HOME: gateway.folder,
        CLAUDE_CONFIG_DIR: join(gateway.folder, '.claude'),
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        IS_SANDBOX: '1',
        ANTHROPIC_API_KEY: undefined,
        ANTHROPIC_BASE_URL: gateway.url,
        ANTHROPIC_AUTH_TOKEN: gateway.token,
      },
    },
  })
  for await (const message of messages) {
    said.session ||= message.session_id ?? ''
    said.streamed += message.event?.delta?.text ?? ''
    for (const block of message.type === 'assistant' ? blocksOf(message) : []) {
      said.text += block.text ?? ''
      if (block.type === 'tool_use') tools.push(block.name ?? '')
    }
    if (message.type === 'result') {
      said.result = message.result ?? ''
      said.failed = message.is_error === true || message.subtype !== 'success'
    }
  }
  return { ...said, tools }
}

const blocksOf = ({ message }: SdkMessage): readonly SdkBlock[] =>
  typeof message?.content === 'object' ? message.content : []
