import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'

/** Outside programs a suite measures against or with. Each is ended by its own process id. */

export function installed(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export type Running = { readonly pid: number; readonly stop: () => Promise<void> }

/** Starts a program and waits until `url` answers anything. @throws {Error} when it does not within 15 s. */
export async function startProgram(
  file: string,
  args: readonly string[],
  url: string,
): Promise<Running> {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)))
  const started = Date.now()
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${file} ended: ${errors}`)
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) break
    if (Date.now() - started > 15_000) {
      child.kill('SIGKILL')
      throw new Error(`${file} does not answer at ${url}: ${errors}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { pid: child.pid ?? 0, stop: () => stop(child) }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}
