import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { Decision } from '../../../pdp/contract/decision.ts'
import type { Explanation } from '../../../pdp/decide/explain.ts'
import { DEFAULT_SOURCE } from '../../build-bundle.ts'
import { findOpa } from '../../opa.ts'
import { regoFiles, withJsonFile } from '../../policy-data/evaluate-opa.ts'
import { readPolicyData } from '../../policy-data/read.ts'
import { prepareData } from '../../prepare-data.ts'
import { clock, exitHelp, paint, print, shown } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'
import { explained } from './explained.ts'

type Options = {
  readonly pdp: string
  readonly trace?: boolean
  readonly source: string
  readonly json?: boolean
}
type Answer = {
  readonly decision: Decision
  readonly time_ms: number
  readonly same_revision: boolean
  readonly request: unknown
  readonly explanation: Explanation
}

export function explainCommand(): Command {
  return new Command('explain')
    .argument('<decision>', 'id of a recorded decision; refusals and sessions show name it')
    .description('why a recorded decision was made: rules, where they stand, and what it hung on')
    .option('--trace', 'add OPA’s own trace of the sources in --source')
    .option('--source <folder>', 'rules and data for --trace', DEFAULT_SOURCE)
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign policy explain 01a2b3c4-…${exitHelp}`)
    .action(explain)
}

async function explain(id: string, { pdp, trace, source, json }: Options): Promise<void> {
  const answer = await callPdp<Answer>(
    pdp,
    'GET',
    `/v1/decisions/${encodeURIComponent(id)}/explanation`,
  )
  const opa = trace ? await opaTrace(source, answer.request) : undefined
  print(json, { ...answer, ...(opa !== undefined && { trace: opa }) }, () => {
    const { decision, explanation, same_revision, time_ms } = answer
    const lines = [`decision ${shown(decision.id)} of ${clock(time_ms)}: ${decision.effect}`]
    if (!same_revision)
      lines.push(
        paint(
          'yellow',
          'policy has changed since; this is what the active policy says of the same request:',
        ),
      )
    lines.push(explained(explanation))
    if (opa !== undefined) lines.push('', opa)
    return lines.join('\n')
  })
}

/** What OPA does, step by step, on the sources as they are now. */
async function opaTrace(source: string, request: unknown): Promise<string> {
  const found = await findOpa({ purpose: 'check' })
  if (!found.ok) return found.error.message
  if (!existsSync(source)) return `${source} is not here: name the policy's sources with --source`
  const { data } = prepareData(await readPolicyData(`${source}/data`))
  const files = await regoFiles(source)
  return withJsonFile(data, (dataFile) =>
    withJsonFile(request, async (inputFile) => {
      const { stdout, stderr } = await found.value.run([
        'eval',
        '--explain',
        'notes',
        '--format',
        'pretty',
        '--input',
        inputFile,
        ...[dataFile, ...files].flatMap((file) => ['--data', file]),
        'data.countersign.decision.decision',
      ])
      return stdout || stderr
    }),
  )
}
