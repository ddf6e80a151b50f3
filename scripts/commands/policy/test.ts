import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { checkBundleIsCurrent } from '../../build-bundle.ts'
import { checkCapabilities } from '../../capabilities.ts'
import { junit } from '../../junit.ts'
import { findOpa } from '../../opa.ts'
import { type PolicyCheck, policyChecks, policyFolders } from '../../policy-checks.ts'
import { builtEngine } from '../../policy-data/built-engine.ts'
import { CommandError, exitHelp, paint, print } from '../output.ts'

type Options = { readonly json?: boolean; readonly junit?: string }

export function testCommand(): Command {
  return new Command('test')
    .description('format, data, capabilities, types, tests with coverage, decision cases, bundle')
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--json', 'one JSON object a check')
    .addHelpText(
      'after',
      `
On GitHub each failure is also an annotation at its line.

Examples:
  npx countersign policy test
  npx countersign policy test --junit policy.xml${exitHelp}`,
    )
    .action(test)
}

async function test({ json, junit: file }: Options): Promise<void> {
  const found = await findOpa({ purpose: 'build' })
  if (!found.ok) throw new CommandError('failed', found.error.message)
  const opa = found.value
  const checks = policyChecks({
    opa: opa.run,
    engine: () => builtEngine(policyFolders),
    bundle: () => checkBundleIsCurrent(),
    capabilities: () => checkCapabilities(opa),
    folders: policyFolders,
  })
  const results: PolicyCheck[] = []
  for (const { name, run } of checks) {
    if (!json && process.stdout.isTTY) process.stdout.write(`…    ${name}\r`)
    const result = await run()
    results.push(result)
    const { cases: _, ...told } = result
    print(json, told, () => reported(result))
    if (process.env['GITHUB_ACTIONS'] === 'true' && !json) annotate(result)
  }
  if (file !== undefined) await writeFile(file, junit(results))
  const failed = results.filter(({ ok }) => !ok).length
  if (failed > 0) throw new CommandError('failed', `${failed} of ${checks.length} checks failed`)
}

function reported({ name, ok, detail, failures, seconds }: PolicyCheck): string {
  const head = `${ok ? paint('green', 'ok  ') : paint('red', 'FAIL')} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(4)} s  ${detail}`
  return [head, ...failures.map((failure) => `     ${failure}`)].join('\n')
}

/** GitHub's workflow commands: https://docs.github.com/actions, "Workflow commands". */
function annotate({ failures }: PolicyCheck): void {
  const escaped = (text: string): string =>
    text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  for (const failure of failures) {
    const [, path, line, column, message] = /^(\S+?):(\d+)(?::(\d+))?: (.*)$/s.exec(failure) ?? []
    const place =
      path === undefined
        ? ''
        : ` file=${escaped(path)},line=${line}${column === undefined ? '' : `,col=${column}`}`
    process.stdout.write(`::error${place}::${escaped(message ?? failure)}\n`)
  }
}
