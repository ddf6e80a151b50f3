import { Command } from 'commander'
import { clock, exitHelp, print, shown, table } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Options = {
  readonly pdp: string
  readonly apply?: boolean
  readonly reason: string
  readonly json?: boolean
}
type Answer = {
  readonly applied: boolean
  readonly rules: readonly { readonly connection: string; readonly keep_days: number }[]
  readonly due: readonly {
    readonly connection: string
    readonly keys: number
    readonly approvals: number
    readonly oldest_ms: number
  }[]
  readonly keys?: number
  readonly approvals?: number
  readonly more?: boolean
}

export function retentionCommand(): Command {
  return new Command('retention')
    .description('what pdp.evidence.retention would erase now; with --apply, erase it')
    .option('--apply', 'erase it, for good')
    .requiredOption('--reason <text>', 'why, for the record; policy decides')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A key is a day old at most when it seals its last, so content goes a day after its time. What is held stays.

Example, daily:
  npx countersign evidence retention --apply --reason 'retention schedule'${exitHelp}`,
    )
    .action(retention)
}

async function retention({ pdp, apply = false, reason, json }: Options): Promise<void> {
  const ask = () => callPdp<Answer>(pdp, 'POST', '/v1/evidence/retention', { apply, reason })
  const first = await ask()
  let [keys, approvals] = [first.keys ?? 0, first.approvals ?? 0]
  for (let { more } = first; more;) {
    const next = await ask()
    keys += next.keys ?? 0
    approvals += next.approvals ?? 0
    if (process.stderr.isTTY) process.stderr.write(`\r${keys} keys erased`)
    ;({ more } = next)
  }
  print(json, { ...first, ...(apply && { keys, approvals, more: false }) }, () =>
    described(first, apply ? { keys, approvals } : undefined),
  )
}

function described(
  { rules, due }: Answer,
  erased: { readonly keys: number; readonly approvals: number } | undefined,
): string {
  if (rules.length === 0)
    return 'There are no rules: name some under pdp.evidence.retention of countersign.yaml.'
  const lines =
    due.length === 0
      ? ['Nothing is older than the rules allow.']
      : [
          table(
            ['CONNECTION', 'KEEP', 'KEYS', 'APPROVALS', 'OLDEST'],
            due.map((one) => [
              shown(one.connection),
              `${String((rules.find(({ connection }) => connection === one.connection) ?? rules.find(({ connection }) => connection === '*'))?.keep_days ?? '?')} d`,
              String(one.keys),
              String(one.approvals),
              clock(one.oldest_ms),
            ]),
          ),
        ]
  if (erased) lines.push(`${erased.keys} keys and ${erased.approvals} approvals erased.`)
  else if (due.length > 0) lines.push('Nothing was erased: this is a dry run; add --apply.')
  return lines.join('\n')
}
