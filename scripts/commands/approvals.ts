import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import type { ShownApproval } from '../../pdp/approvals/approvals.ts'
import { clock, CommandError, exitHelp, paint, print, shown, table } from './output.ts'
import { callPdp, pdpOption } from './pdp-api.ts'

type Common = { readonly pdp: string; readonly json?: boolean }

/** `countersign approvals list|show|approve|deny`. */
export function approvalsCommand(): Command {
  const approvals = new Command('approvals').description('see and decide what waits for a person')
  approvals
    .command('list')
    .description('approvals that you may decide, newest first')
    .option('--all', 'decided ones as well')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign approvals list --all${exitHelp}`)
    .action(async ({ pdp, json, all }: Common & { readonly all?: boolean }) => {
      const query = all ? '' : '?state=pending'
      const rows = await callPdp<ShownApproval[]>(pdp, 'GET', `/v1/approvals${query}`)
      print(json, rows, () => (rows.length === 0 ? 'Nothing waits for you.' : listed(rows)))
    })
  approvals
    .command('show')
    .argument('<id>')
    .description('everything that an approval covers')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign approvals show 0192…${exitHelp}`)
    .action(async (id: string, { pdp, json }: Common) => {
      const row = await detail(pdp, id)
      print(json, row, () => described(row))
    })
  for (const verb of ['approve', 'deny'] as const) {
    approvals
      .command(verb)
      .argument('<id>')
      .description(`${verb} exactly what is shown, once`)
      .option('--comment <text>', 'why, for the record')
      .option('--yes', 'do not ask')
      .addOption(pdpOption())
      .option('--json', 'print JSON; needs --yes')
      .addHelpText(
        'after',
        `\nExample:\n  npx countersign approvals ${verb} 0192… --comment 'ticket 42'${exitHelp}`,
      )
      .action(async (id: string, options: Vote) => vote(verb, id, options))
  }
  return approvals
}

type Vote = Common & { readonly comment?: string; readonly yes?: boolean }

async function vote(verb: 'approve' | 'deny', id: string, options: Vote): Promise<void> {
  const { pdp, json, yes, comment } = options
  // The digest of what was shown here goes back: nothing else is approved.
  const seen = await detail(pdp, id)
  if (!json) process.stdout.write(`${described(seen)}\n\n`)
  if (!yes) await confirm(verb)
  const { action_digest } = seen
  const row = await callPdp<ShownApproval>(pdp, 'POST', `${path(id)}/${verb}`, {
    action_digest,
    ...(comment !== undefined && { comment }),
  })
  const missing = row.count - row.votes.filter(({ approve }) => approve).length
  print(json, row, () =>
    row.state === 'pending'
      ? `Your approval is on record; ${missing} more needed.`
      : paint(row.state === 'approved' ? 'green' : 'red', `It is ${row.state}.`),
  )
}

async function confirm(verb: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CommandError('usage', `say --yes to ${verb} without being asked`)
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await lines.question(`${verb}? [y/N] `)
  lines.close()
  if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandError('failed', 'nothing was decided')
}

const path = (id: string): string => `/v1/approvals/${encodeURIComponent(id)}`

const detail = (pdp: string, id: string): Promise<ShownApproval> =>
  callPdp<ShownApproval>(pdp, 'GET', `${path(id)}/detail`)

function listed(rows: readonly ShownApproval[]): string {
  return table(
    ['ID', 'STATE', 'ASKED', 'BY', 'CONNECTION', 'WHAT'],
    rows.map((row) => [
      row.id,
      row.state,
      clock(row.demanded_ms),
      shown(row.requester.id),
      row.connection,
      shown(summary(row)).slice(0, 60),
    ]),
  )
}

function summary(approval: ShownApproval): string {
  if ('unreadable' in approval) return approval.unreadable
  const { action, action_name } = approval
  if (action.type === 'http.request') return `${action.method} ${action.target}`
  if (action.type === 'anthropic.tool_use') return `${action.tool} ${JSON.stringify(action.input)}`
  return `${action_name} ${action.model}`
}

function described(row: ShownApproval): string {
  const { requester } = row
  const votes = row.votes.map(
    ({ approver, approve, comment }) =>
      `${approve ? 'approved' : 'denied'} by ${approver.id}${comment === undefined ? '' : `: ${comment}`}`,
  )
  return [
    `${paint('bold', row.state)}  ${row.id}`,
    `asked by    ${shown(`${requester.type} ${requester.id} of ${requester.issuer}`)}`,
    `asked at    ${clock(row.demanded_ms)}, expires ${clock(row.expires_ms)} (UTC)`,
    ...because(row),
    `needs       ${row.count} of ${shown(row.approvers.join(', '))}`,
    ...votes.map((line) => `vote        ${shown(line)}`),
    `digest      ${row.action_digest}`,
    ...what(row),
  ].join('\n')
}

function because(row: ShownApproval): readonly string[] {
  if ('unreadable' in row) return []
  const reasons = row.reasons.map(({ rule, message }) => `${message} (${rule})`)
  return [`because     ${shown(reasons.join('; '))}`]
}

function what(row: ShownApproval): readonly string[] {
  if ('unreadable' in row) return [`cannot be shown: ${row.unreadable}`]
  const lines = shown(JSON.stringify(row.action, undefined, 2)).split('\n')
  return ['exactly this, once:', ...lines.map((line) => `  ${line}`)]
}
