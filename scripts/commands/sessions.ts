import { Command } from 'commander'
import type { SessionSummary } from '../../pdp/store/store.ts'
import { clock, exitHelp, paint, print, shown, table } from './output.ts'
import { callPdp, pdpOption } from './pdp-api.ts'
import { fetchSteps } from '../replay/fetch-steps.ts'
import type { Step } from '../replay/step.ts'
import { replayCommand } from './replay.ts'

type Common = { readonly pdp: string; readonly json?: boolean }

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
    .option('--json', 'one JSON object a line, with what is recorded of it, masked')
    .addHelpText('after', `\nExample:\n  npx countersign sessions show 6f2c… --json${exitHelp}`)
    .action(async (session: string, { pdp, json }: Common) => {
      const { steps } = await fetchSteps(pdp, session, undefined)
      for await (const step of steps) print(json, step.answered, () => line(step))
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

/** One step, on one line. */
function line({ index, leaf, record, unreadable }: Step): string {
  const words = [...told(leaf), ...(unreadable ? [`(${unreadable.code})`] : [])]
  const { exchange } = record ?? {}
  if (exchange?.method !== undefined) words.push(`${exchange.method} ${exchange.target ?? ''}`)
  const number = paint('dim', `#${String(index)} ${clock(leaf.time_ms)}`)
  return `${number}  ${verdict(leaf)}${shown(words.join('  '))}`
}

function verdict({ kind, decision, refused }: Step['leaf']): string {
  if ((kind !== 'intent' && kind !== 'decision') || decision?.effect === undefined) return ''
  const text = refused === undefined ? decision.effect : `${decision.effect}, refused: ${refused}`
  const fine = refused === undefined && decision.effect === 'allow'
  return `${paint(fine ? 'green' : 'red', shown(text))}  `
}

/** What everybody who may read the log sees of a step. */
function told(leaf: Step['leaf']): readonly string[] {
  const { kind, connection = '', action = '', by } = leaf
  switch (kind) {
    case 'intent':
    case 'decision':
      return [connection, action, `(${(leaf.decision?.rules ?? []).join(', ')})`]
    case 'outcome': {
      const masked = (leaf.masked ?? []).map(([name, count]) => `${name} × ${count}`)
      return [
        leaf.result ?? '',
        ...(leaf.status === undefined ? [] : [String(leaf.status)]),
        `${leaf.bytes_out ?? 0} bytes`,
        ...(masked.length > 0 ? [`masked ${masked.join(', ')}`] : []),
      ]
    }
    case 'chunk':
      return [`${leaf.bytes ?? 0} bytes ${leaf.direction ?? ''}, from ${leaf.offset ?? 0}`]
    case 'approval':
      return [`approval ${leaf.event ?? ''}`, action, ...(by ? [`by ${by.id}`] : [])]
    default:
      return [kind, leaf.name ?? '', ...(by ? [`by ${by.id}`] : [])]
  }
}
