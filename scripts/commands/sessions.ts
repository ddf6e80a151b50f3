import { Command } from 'commander'
import type { JournalRecord } from '../../pdp/contract/record.ts'
import { assertNever } from '../../pdp/contract/result.ts'
import type { SessionSummary } from '../../pdp/store/store.ts'
import { clock, exitHelp, paint, print, shown, table } from './output.ts'
import { callPdp, pdpOption } from './pdp-api.ts'
import { replayCommand } from './replay.ts'

type Common = { readonly pdp: string; readonly json?: boolean }

type Entry = {
  readonly cursor: string
  readonly pep: string
  readonly epoch: string
  readonly seq: number
  readonly record: JournalRecord
}
type Page = { readonly id: string; readonly records: readonly Entry[] }

const PAGE = 500

/** `countersign sessions list|show|replay`. */
export function sessionsCommand(): Command {
  const sessions = new Command('sessions').description('what agents did, from the record')
  sessions
    .command('list')
    .description('sessions, the one active last first')
    .option('--subject <id>', 'of this subject')
    .option('--label <label>', 'that the client calls so, e.g. the Agent SDK’s session id')
    .option('--limit <n>', 'how many', '20')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign sessions list --subject demo-agent${exitHelp}`,
    )
    .action(list)
  sessions
    .command('show')
    .argument('<session>', 'id or label')
    .description('every step of a session')
    .addOption(pdpOption())
    .option('--json', 'one JSON object a line, bodies whole')
    .addHelpText('after', `\nExample:\n  npx countersign sessions show 6f2c… --json${exitHelp}`)
    .action(async (session: string, { pdp, json }: Common) => {
      for await (const entry of entries(pdp, session)) print(json, entry, () => line(entry.record))
    })
  sessions.addCommand(replayCommand())
  return sessions
}

type ListOptions = Common & {
  readonly subject?: string
  readonly label?: string
  readonly limit: string
}

async function list({ pdp, json, subject, label, limit }: ListOptions): Promise<void> {
  const query = new URLSearchParams({ limit })
  if (subject !== undefined) query.set('subject', subject)
  if (label !== undefined) query.set('label', label)
  const { sessions } = await callPdp<{ sessions: SessionSummary[] }>(
    pdp,
    'GET',
    `/v1/sessions?${query.toString()}`,
  )
  print(json, sessions, () =>
    sessions.length === 0
      ? 'No sessions are on record yet.'
      : table(
          ['SESSION', 'SUBJECT', 'CALLED', 'LAST', 'OPERATIONS', 'DENIED', 'APPROVALS'],
          sessions.map((one) => [
            one.id,
            shown(one.subject_id),
            shown(one.labels.join(', ')),
            clock(one.last_ms),
            String(one.counts.operations),
            String(one.counts.denied),
            String(one.counts.approvals),
          ]),
        ),
  )
}

async function* entries(pdp: string, session: string): AsyncGenerator<Entry> {
  let after: string | undefined
  for (;;) {
    const query = new URLSearchParams({
      limit: String(PAGE),
      ...(after !== undefined && { after }),
    })
    const path = `/v1/sessions/${encodeURIComponent(session)}?${query.toString()}`
    const { records } = await callPdp<Page>(pdp, 'GET', path)
    yield* records
    after = records.at(-1)?.cursor
    if (records.length < PAGE) return
  }
}

/** One step, on one line. */
function line(record: JournalRecord): string {
  const at = paint('dim', clock(record.time_ms))
  switch (record.kind) {
    case 'intent':
    case 'decision': {
      const { effect, reasons } = record.decision as {
        readonly effect: string
        readonly reasons: readonly { readonly rule: string }[]
      }
      const { action, resource } = record.request as {
        readonly action: { readonly name: string }
        readonly resource: { readonly id: string }
      }
      const refused = record.kind === 'decision' ? record.refused : undefined
      const verdict = refused === undefined ? effect : `${effect}, refused: ${refused}`
      const colour = refused === undefined && effect === 'allow' ? 'green' : 'red'
      const rules = reasons.map(({ rule }) => rule).join(', ')
      const method = record.exchange.method === undefined ? '' : `${record.exchange.method} `
      return `${at}  ${paint(colour, verdict)}  ${shown(`${record.connection}  ${action.name}  ${method}${record.exchange.target ?? resource.id}  (${rules})`)}`
    }
    case 'outcome': {
      const masked = Object.entries(record.masked).map(([name, count]) => `${name} × ${count}`)
      const what = [
        record.result,
        ...(record.status === undefined ? [] : [String(record.status)]),
        `${record.bytes_out} bytes`,
        ...(masked.length > 0 ? [`masked ${masked.join(', ')}`] : []),
        ...(record.reason === undefined ? [] : [record.reason]),
      ]
      return `${at}  ${shown(what.join(', '))}`
    }
    case 'chunk':
      return `${at}  part of a body, from byte ${record.offset}`
    case 'event':
      return `${at}  ${shown(`${record.name} ${JSON.stringify(record.detail)}`)}`
    default:
      return assertNever(record)
  }
}
