import { Command } from 'commander'
import type { Difference } from '../../../pdp/store/store.ts'
import { clock, exitHelp, paint, print, shown, table } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Options = {
  readonly pdp: string
  readonly limit: string
  readonly candidate?: string
  readonly json?: boolean
}
type Answer = {
  readonly live: string
  readonly candidate: string | null
  readonly differences: readonly Difference[]
}

export function shadowCommand(): Command {
  return new Command('shadow')
    .description('decisions that the candidate policy would have made differently (pdp.shadow)')
    .option('--limit <n>', 'how many, the newest first', '100')
    .option('--candidate <revision>', 'of this candidate alone')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign policy shadow --limit 20${exitHelp}`)
    .action(shadow)
}

async function shadow({ pdp, limit, candidate, json }: Options): Promise<void> {
  const query = new URLSearchParams({ limit, ...(candidate !== undefined && { candidate }) })
  const answer = await callPdp<Answer>(pdp, 'GET', `/v1/shadow?${query.toString()}`)
  print(json, answer, () => {
    const head =
      answer.candidate === null
        ? 'No candidate runs beside the live policy; name its bundle under pdp.shadow.'
        : `candidate ${answer.candidate.slice(0, 16)}… beside ${answer.live.slice(0, 16)}…`
    if (answer.differences.length === 0) return `${head}\nNo decision would have been another.`
    return `${head}\n${table(
      ['WHEN', 'SUBJECT', 'ACTION', 'RESOURCE', 'FROM', 'TO', 'BY'],
      answer.differences.map((one) => [
        clock(one.at_ms),
        shown(one.subject),
        shown(one.action),
        shown(`${one.connection} ${one.resource}`),
        one.from.effect,
        one.to.effect === 'allow' && one.from.effect !== 'allow'
          ? paint('red', 'allow')
          : one.to.effect,
        shown(one.to.reasons.map(({ rule }) => rule).join(' ')),
      ]),
    )}`
  })
}
