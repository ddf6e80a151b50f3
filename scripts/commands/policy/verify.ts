import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { BundleError } from '../../../pdp/bundle/errors.ts'
import { verificationKey } from '../../../pdp/bundle/keys.ts'
import { verifySignatures } from '../../../pdp/bundle/signatures.ts'
import { fetchedArchive, readLimited } from '../../../pdp/bundle/source/read.ts'
import { DECISION_ENTRYPOINT } from '../../../pdp/decide/ask.ts'
import { loadPolicy } from '../../../pdp/policy/load.ts'
import { CommandError, exitHelp, paint, print } from '../output.ts'

type Options = {
  readonly key: readonly string[]
  readonly algorithm: string
  readonly scope?: string
  readonly json?: boolean
}

export function verifyCommand(): Command {
  return new Command('verify')
    .argument('<bundle>', 'file, ….tar.gz')
    .description('check a bundle as a service does before it runs it: signature, files, self-test')
    .option(
      '--key <id=file>',
      'public key in PEM, or secret, that may have signed it; several may be given',
      (value: string, all: readonly string[]) => [...all, value],
      [],
    )
    .option('--algorithm <name>', 'of the keys', 'RS256')
    .option('--scope <scope>', 'what the signature must be for')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign policy verify dist/policy.tar.gz --key release=release.pub --algorithm EdDSA${exitHelp}`,
    )
    .action(verify)
}

async function verify(path: string, { key, algorithm, scope, json }: Options): Promise<void> {
  const keys = await Promise.all(
    key.map(async (one) => {
      const [, id, file] = /^([^=]+)=(.+)$/.exec(one) ?? []
      if (id === undefined || file === undefined)
        throw new CommandError('usage', `--key ${one}: say <id>=<file>`)
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new CommandError('usage', `${file} cannot be read`, { cause })
      })
      return verificationKey(id, algorithm, text.trim(), scope)
    }),
  )
  try {
    const { files } = fetchedArchive(await readLimited(path))
    if (keys.length > 0) verifySignatures(files, { keys, scope })
    const loaded = await loadPolicy(path, { entrypoints: [DECISION_ENTRYPOINT] })
    if (!loaded.ok) throw loaded.error
    const { revision, cases } = loaded.value.bundle
    print(
      json,
      { ok: true, revision, signed: keys.length > 0, self_test: cases.length },
      () =>
        `${paint('green', 'ok')} ${path}\nrevision ${revision}\nsignature ${keys.length > 0 ? 'verified' : 'not checked: give --key'}\nself-test ${cases.length} decisions`,
    )
  } catch (error) {
    if (!(error instanceof BundleError)) throw error
    print(
      json,
      { ok: false, code: error.code, message: error.message },
      () => `${error.code} ${error.message}`,
    )
    throw new CommandError('failed', `${path} would be refused`, { cause: error })
  }
}
