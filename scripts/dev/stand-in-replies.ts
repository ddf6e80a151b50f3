/** What the stand-in for Claude says. See the table in `stand-in-claude.ts`. */

type ToolUse = { readonly type: 'tool_use'; readonly name: string; readonly input: object }
/** Text in the pieces in which it streams. */
type Text = { readonly type: 'text'; readonly pieces: readonly string[] }
export type Reply = readonly (Text | ToolUse)[]

export type MessagesBody = {
  readonly model: string
  readonly stream?: boolean
  readonly tools?: readonly { readonly name?: string }[]
  readonly messages: readonly { readonly role?: string; readonly content?: unknown }[]
}

/** People who do not exist. Cut so that no delta holds a whole value. */
const contact = [
  'Stand-in for Claude: you reach Ada at ada.love',
  'lace@exam',
  'ple.com; her social security number is 219-0',
  '9-9999. Both',
  ' are made up.',
]

/** @param echo what was received, for a reply that quotes it. */
export function replyTo(body: MessagesBody, echo: () => string): Reply {
  // Harnesses put messages of role `system` behind the person's.
  const last = body.messages.findLast(({ role }) => role === 'user')
  if (blocksOf(last?.content).some((block) => block.type === 'tool_result')) {
    return [say('the tool has answered, so I am done.')]
  }
  const words = lastWords(last?.content)
  const bash = body.tools?.some(({ name }) => name === 'Bash') ?? false
  if (words.includes('echo')) return [say(`this is what I was sent: ${echo()}`)]
  if (words.includes('contact')) return [{ type: 'text', pieces: contact }]
  if (bash && words.includes('clean up')) {
    return callBash('I remove the folder.', 'rm -fr /tmp/countersign-example', 'Remove a folder')
  }
  if (bash && words.includes('push')) {
    return callBash('I push the branch.', 'git push origin main', 'Push the branch')
  }
  if (bash && words.includes('list')) return callBash('I list the files.', 'ls', 'List the files')
  return [say('hello! Ask me for a contact, to clean up, to push, or to echo.')]
}

const say = (text: string): Text => ({
  type: 'text',
  pieces: ['Stand-in for Claude: ', ...(text.match(/.{1,24}/gs) ?? [])],
})

const callBash = (text: string, command: string, description: string): Reply => [
  say(text),
  { type: 'tool_use', name: 'Bash', input: { command, description } },
]

type Block = { readonly type?: string; readonly text?: string }

const blocksOf = (content: unknown): readonly Block[] =>
  typeof content === 'string'
    ? [{ type: 'text', text: content }]
    : Array.isArray(content)
      ? (content as readonly Block[])
      : []

/** The person's own words: harnesses put reminders around them, in blocks of their own or within. */
function lastWords(content: unknown): string {
  const texts = blocksOf(content).flatMap(({ type, text }) =>
    type === 'text' && text !== undefined
      ? [text.replaceAll(/<system-reminder>.*?<\/system-reminder>/gs, '').trim()]
      : [],
  )
  return (texts.findLast((text) => text !== '') ?? '').toLowerCase()
}
