import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from 'yaml'

/** The product as its user starts it: the command, in a process of its own, in a folder of its own. */

export const CLI = resolve('scripts/countersign.ts')

export type Ready = {
  readonly urls: { readonly pep: string; readonly pdp: string; readonly issuer: string }
  readonly token: string
  readonly operator_secret: string
  readonly stand_ins: Readonly<Record<string, string>>
}

export type Started = Ready & {
  readonly child: ChildProcess
  readonly pid: number
  readonly errors: () => string
  /** Ends it and waits. @returns its exit code, `null` for a signal. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>
}

export type Place = { readonly root: string; readonly folder: string; readonly config: string }

/** A folder with a copy of countersign.yaml on free ports. @param change what else is different. */
export async function place(change: (config: Config) => void = () => {}): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'countersign-e2e-'))
  const config = parse(await readFile('countersign.yaml', 'utf8')) as Config
  config.pdp['listen'] = '127.0.0.1:0'
  config.pdp['bundle'] = resolve('bundles/default.tar.gz')
  config.pep['listen'] = [{ address: '127.0.0.1:0' }]
  change(config)
  const path = join(root, 'countersign.yaml')
  await writeFile(path, JSON.stringify(config))
  return { root, folder: join(root, 'data'), config: path }
}

export type Config = {
  pdp: Record<string, unknown>
  pep: Record<string, unknown>
  connections: Record<string, unknown>
}

/** A server that was ended the hard way may still be writing its last file. */
export const clear = ({ root }: Place): Promise<void> =>
  rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })

/** Environment without credentials of this machine, so that connections get their stand-ins. */
const bare = (more: Readonly<Record<string, string>>): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '',
  ...more,
})

/** @throws {Error} with what it said, when it does not get ready. */
export async function start(
  { config, folder }: Place,
  options: {
    readonly args?: readonly string[]
    readonly env?: Readonly<Record<string, string>>
    /** Of the development issuer, for one that has to be found again. Default: any. */
    readonly issuer_port?: number
  } = {},
): Promise<Started> {
  const { args = [], env = {}, issuer_port = 0 } = options
  const issuer = ['--issuer-port', String(issuer_port)]
  const child = spawn(
    process.execPath,
    [CLI, 'start', ...args, '--json', ...issuer, '--config', config, '--folder', folder],
    { stdio: ['ignore', 'pipe', 'pipe'], env: bare(env) },
  )
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exit = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([
    new Promise<string>((done) => lines.once('line', done)),
    exit.then(() => undefined),
  ])
  if (line === undefined) throw new Error(`it did not start: ${errors}`)
  return {
    ...(JSON.parse(line) as Ready),
    child,
    pid: child.pid ?? 0,
    errors: () => errors,
    end(signal) {
      child.kill(signal)
      return exit
    },
  }
}

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string }

/** Runs a command of ours to its end. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [CLI, ...args],
      { env: bare(env), timeout: 30_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) =>
        done({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    )
  })
}

/** Processes that `pid` started, and theirs. */
export async function descendants(pid: number): Promise<number[]> {
  const all = await new Promise<string>((done) => {
    execFile('ps', ['-eo', 'pid=,ppid='], (_, stdout) => done(stdout))
  })
  const pairs = all
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const below = (parent: number): number[] =>
    pairs.filter(([, of]) => of === parent).flatMap(([child = 0]) => [child, ...below(child)])
  return below(pid)
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
