import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { DECISION_ENTRYPOINT } from '../../../pdp/decide/ask.ts'
import { explain } from '../../../pdp/decide/explain.ts'
import { loadPolicy } from '../../../pdp/policy/load.ts'
import { DEFAULT_BUNDLE } from '../../build-bundle.ts'
import { CommandError, exitHelp, print } from '../output.ts'
import { explained } from './explained.ts'

type Options = { readonly bundle: string; readonly json?: boolean }

export function evalCommand(): Command {
  return new Command('eval')
    .argument('<input>', 'file with a decision request, JSON; - reads stdin')
    .description('decide one request with a bundle, and say why')
    .option('--bundle <file>', 'the bundle', DEFAULT_BUNDLE)
    .option('--json', 'print the explanation as JSON')
    .addHelpText('after', `\nExample:\n  npx countersign policy eval request.json${exitHelp}`)
    .action(evaluate)
}

async function evaluate(path: string, { bundle: file, json }: Options): Promise<void> {
  const loaded = await loadPolicy(file, { entrypoints: [DECISION_ENTRYPOINT] })
  if (!loaded.ok) throw new CommandError('failed', loaded.error.message)
  const explanation = explain(loaded.value.policy, await readInput(path))
  print(json, explanation, () => explained(explanation))
}

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
