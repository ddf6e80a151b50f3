import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

/** Our own side: `countersign start` as a process of its own, in a folder of its own, as a user would run it. */
export type Gateway = {
  readonly pid: number
  readonly urls: { readonly pep?: string; readonly pdp?: string }
  /** An agent's token of the development issuer. */
  readonly token: string
  /** The token that an enforcement point shows the decision service. */
  readonly pepToken: string
  readonly stop: () => Promise<void>
}

type Started = { readonly urls: Gateway['urls']; readonly token?: string }

const READY_MS = 60_000
const END_MS = 20_000

/** @param config `countersign.yaml`, as an object; `role` as the command takes it; `program` in place of the command. */
export async function startGateway(
  config: Readonly<Record<string, unknown>>,
  options: {
    readonly role?: 'pdp'
    readonly env?: Readonly<Record<string, string>>
    readonly program?: string
  } = {},
): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const path = join(folder, 'countersign.yaml')
  await writeFile(path, JSON.stringify(config)) // JSON is YAML
  const data = join(folder, 'data')
  const args = ['start', ...(options.role ? [options.role] : []), '--json', '--issuer-port', '0']
  const child = spawn(
    process.execPath,
    [
      resolve(options.program ?? 'scripts/countersign.ts'),
      ...args,
      '--config',
      path,
      '--folder',
      data,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } },
  )
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
    await ended
    clearTimeout(timer)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const line = await firstLine(child.stdout, ended)
    if (line === undefined) throw new Error(`countersign start failed: ${errors}`)
    const { urls, token = '' } = JSON.parse(line) as Started
    const pepToken = (await readFile(join(data, 'pep-token'), 'utf8').catch(() => '')).trim()
    return { pid: child.pid ?? 0, urls, token, pepToken, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function firstLine(
  stream: NodeJS.ReadableStream,
  ended: Promise<void>,
): Promise<string | undefined> {
  const lines = createInterface({ input: stream })
  const line = new Promise<string>((done) => lines.once('line', done))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(() => done(undefined), READY_MS)
  })
  const first = await Promise.race([line, ended.then(() => undefined), late])
  clearTimeout(timer)
  stream.resume() // what it says later is not read, and must not hold it up
  return first
}

/** Resident memory of a process, MB. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** The value of a metric without labels, or `undefined`. */
export async function metric(url: string, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}
