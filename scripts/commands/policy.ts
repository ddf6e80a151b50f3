import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { DECISION_ENTRYPOINT } from '../../pdp/decide/ask.ts'
import { loadPolicy } from '../../pdp/policy/load.ts'
import {
  buildBundle,
  checkBundleIsCurrent,
  DEFAULT_BUNDLE,
  DEFAULT_SOURCE,
} from '../build-bundle.ts'
import { findOpa } from '../opa.ts'
import { type PolicyCheck, policyChecks, policyFolders } from '../policy-checks.ts'
import { builtEngine } from '../policy-data/built-engine.ts'
import { CommandError, exitHelp, paint, print, shown } from './output.ts'

/** `countersign policy build|test|eval`. */
export function policyCommand(): Command {
  const policy = new Command('policy').description('build, test and try the policy')
  policy
    .command('build')
    .description('build the bundle; the same sources give the same bytes')
    .option('--source <folder>', 'rules and data', DEFAULT_SOURCE)
    .option('--out <file>', 'the bundle', DEFAULT_BUNDLE)
    .option('--check', 'only compare with what is there')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  npx countersign policy build\n  npx countersign policy build --check${exitHelp}`,
    )
    .action(build)
  policy
    .command('test')
    .description('format, data, types, tests with coverage, decision cases, bundle')
    .option('--json', 'one JSON object a check')
    .addHelpText('after', `\nExample:\n  npx countersign policy test${exitHelp}`)
    .action(test)
  policy
    .command('eval')
    .argument('<input>', 'file with a decision request, JSON; - reads stdin')
    .description('decide one request with a bundle, and say why')
    .option('--bundle <file>', 'the bundle', DEFAULT_BUNDLE)
    .option('--json', 'print the decision as JSON')
    .addHelpText('after', `\nExample:\n  npx countersign policy eval request.json${exitHelp}`)
    .action(evaluate)
  return policy
}

type BuildOptions = {
  readonly source: string
  readonly out: string
  readonly check?: boolean
  readonly json?: boolean
}

async function build({ source, out, check, json }: BuildOptions): Promise<void> {
  if (check) {
    const differences = await checkBundleIsCurrent({ source, out })
    print(json, { current: differences.length === 0, differences }, () =>
      differences.length === 0 ? `${out} is what ${source}/ builds` : differences.join('\n'),
    )
    if (differences.length > 0) throw new CommandError('failed', 'the bundle is not current')
    return
  }
  const built = await buildBundle({ source, out })
  print(json, built, () => `${built.path}  ${built.bytes} bytes\nrevision ${built.revision}`)
}

async function test({ json }: { readonly json?: boolean }): Promise<void> {
  const opa = await findOpa({ purpose: 'build' })
  if (!opa.ok) throw new CommandError('failed', opa.error.message)
  const checks = policyChecks({
    opa: opa.value.run,
    engine: () => builtEngine(policyFolders),
    bundle: () => checkBundleIsCurrent(),
    folders: policyFolders,
  })
  let failed = 0
  for (const { name, run } of checks) {
    if (!json && process.stdout.isTTY) process.stdout.write(`…    ${name}\r`)
    const result = await run()
    if (!result.ok) failed += 1
    print(json, result, () => reported(result))
  }
  if (failed > 0) throw new CommandError('failed', `${failed} of ${checks.length} checks failed`)
}

function reported({ name, ok, detail, failures }: PolicyCheck): string {
  const head = `${ok ? paint('green', 'ok  ') : paint('red', 'FAIL')} ${name.padEnd(7)} ${detail}`
  return [head, ...failures.map((failure) => `     ${failure}`)].join('\n')
}

type EvalOptions = { readonly bundle: string; readonly json?: boolean }

async function evaluate(path: string, { bundle: file, json }: EvalOptions): Promise<void> {
  const loaded = await loadPolicy(file, { entrypoints: [DECISION_ENTRYPOINT] })
  if (!loaded.ok) throw new CommandError('failed', loaded.error.message)
  const input = await readInput(path)
  const answer = loaded.value.policy.evaluate(DECISION_ENTRYPOINT, input)
  if (!answer.ok) throw new CommandError('failed', `${answer.error.code} ${answer.error.message}`)
  const decision = answer.value as Shown | undefined
  print(json, decision ?? null, () => (decision ? explained(decision) : 'undefined: denied'))
}

type Shown = {
  readonly effect: string
  readonly reasons: readonly { readonly rule: string; readonly message: string }[]
  readonly obligations: readonly unknown[]
}

const explained = ({ effect, reasons, obligations }: Shown): string =>
  [
    paint(effect === 'allow' ? 'green' : 'red', effect),
    ...reasons.map(({ rule, message }) => `  ${shown(rule)}  ${shown(message)}`),
    ...obligations.map((one) => `  obligation ${shown(JSON.stringify(one))}`),
  ].join('\n')

async function readInput(path: string): Promise<unknown> {
  let text = ''
  try {
    if (path === '-') for await (const chunk of process.stdin) text += String(chunk)
    else text = await readFile(path, 'utf8')
    return JSON.parse(text)
  } catch (cause) {
    throw new CommandError('usage', `${path} is not a JSON file: ${(cause as Error).message}`, {
      cause,
    })
  }
}
