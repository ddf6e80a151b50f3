import { execFile } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { readArchive, writeArchive } from '../../../pdp/bundle/archive.ts'
import { BundleError } from '../../../pdp/bundle/errors.ts'
import { signingKey } from '../../../pdp/bundle/keys.ts'
import { SIGNATURES, signFiles } from '../../../pdp/bundle/signatures.ts'
import { MOST_UNPACKED_BYTES } from '../../../pdp/bundle/source/read.ts'
import {
  buildBundle,
  checkBundleIsCurrent,
  DEFAULT_BUNDLE,
  DEFAULT_SOURCE,
} from '../../build-bundle.ts'
import { CommandError, exitHelp, print } from '../output.ts'

const run = promisify(execFile)

type Options = {
  readonly source: string
  readonly out: string
  readonly check?: boolean
  readonly git?: boolean
  readonly sign?: string
  readonly keyId?: string
  readonly algorithm: string
  readonly scope?: string
  readonly json?: boolean
}

export function buildCommand(): Command {
  return new Command('build')
    .description('build the bundle; the same sources give the same bytes')
    .option('--source <folder>', 'rules and data', DEFAULT_SOURCE)
    .option('--out <file>', 'the bundle', DEFAULT_BUNDLE)
    .option('--check', 'only compare with what is there')
    .option(
      '--git',
      'name the commit in the manifest, so that the record says which one was active',
    )
    .option('--sign <file>', 'sign it with this private key in PEM, or secret')
    .option('--key-id <id>', 'name of the key, as the services that verify it know it')
    .option('--algorithm <name>', 'of the signature: RS256, PS256, ES256, EdDSA, HS256, …', 'RS256')
    .option('--scope <scope>', 'what the signature is for')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  npx countersign policy build
  npx countersign policy build --check
  npx countersign policy build --out dist/policy.tar.gz --sign release.pem --key-id release --algorithm EdDSA${exitHelp}`,
    )
    .action(build)
}

async function build(options: Options): Promise<void> {
  const { source, out, check, json } = options
  if (check) {
    const differences = await checkBundleIsCurrent({ source, out })
    print(json, { current: differences.length === 0, differences }, () =>
      differences.length === 0 ? `${out} is what ${source}/ builds` : differences.join('\n'),
    )
    if (differences.length > 0) throw new CommandError('failed', 'the bundle is not current')
    return
  }
  const built = await buildBundle({ source, out })
  if (options.git) await nameCommit(out, await commitOf(source))
  const signed = options.sign === undefined ? undefined : await sign(out, options.sign, options)
  print(
    json,
    { ...built, ...(signed !== undefined && { signed }) },
    () =>
      `${built.path}  ${built.bytes} bytes\nrevision ${built.revision}${signed === undefined ? '' : `\nsigned by ${signed}`}`,
  )
}

/** The commit that sources are of; what is not committed shows. @throws {CommandError} outside of a repository. */
async function commitOf(source: string): Promise<string> {
  try {
    const git = (...args: readonly string[]) => run('git', ['-C', source, ...args])
    const commit = (await git('rev-parse', 'HEAD')).stdout.trim()
    const changed = (await git('status', '--porcelain', '--', '.')).stdout.trim() !== ''
    return changed ? `${commit}-dirty` : commit
  } catch (cause) {
    throw new CommandError('usage', `--git: ${source} is in no git repository`, { cause })
  }
}

async function nameCommit(out: string, git_revision: string): Promise<void> {
  const files = new Map(readArchive(await readFile(out), MOST_UNPACKED_BYTES))
  const manifest = JSON.parse(Buffer.from(files.get('.manifest') ?? []).toString()) as {
    readonly metadata?: object
  }
  const metadata = { ...manifest.metadata, git_revision }
  files.set('.manifest', Buffer.from(`${JSON.stringify({ ...manifest, metadata })}\n`))
  await writeFile(`${out}.named`, writeArchive(files))
  await rename(`${out}.named`, out)
}

/** @returns the key's name, or its algorithm. */
async function sign(
  out: string,
  keyFile: string,
  { algorithm, keyId, scope }: Options,
): Promise<string> {
  const text = await readFile(keyFile, 'utf8').catch((cause: unknown) => {
    throw new CommandError('usage', `${keyFile} cannot be read`, { cause })
  })
  try {
    const files = new Map(readArchive(await readFile(out), MOST_UNPACKED_BYTES))
    files.set(SIGNATURES, signFiles(files, signingKey(algorithm, text.trim(), keyId), scope))
    await writeFile(`${out}.signed`, writeArchive(files))
    await rename(`${out}.signed`, out)
  } catch (error) {
    if (error instanceof BundleError)
      throw new CommandError('usage', error.message, { cause: error })
    throw error
  }
  return keyId ?? algorithm
}
