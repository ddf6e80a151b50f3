import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { message } from '../errors.ts'
import type { Account } from './account.ts'

/**
 * Keeps the server's life inside ours, also when we are killed. The shell reads a pipe that only we hold: its end, which
 * the kernel brings about however we end, is a fast shutdown (SIGINT). It waits for the server, so that its own end
 * tells us of the server's.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -INT "$server"; } &
watch=$!
exec 3<&-
wait "$server"
status=$?
kill "$watch" 2>/dev/null
exit $status
`

export type Place = {
  /** The data folder: becomes the working folder before the account does, see `dataPath`. */
  readonly folder: string
  readonly account: Account | undefined
}

/**
 * How the server names its data folder. Under another account the folders above may be closed to it, and need not be
 * opened: it stands in the folder already.
 */
export function dataPath(place: Place): string {
  return place.account && process.platform === 'linux' ? '/proc/self/cwd' : place.folder
}

/** Nothing of our own environment: it holds credentials. */
const ENVIRONMENT = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' }

export type Server = {
  /** Resolves when it ended, with the last lines it wrote. */
  readonly ended: Promise<string>
  /** Fast shutdown; resolves when it ended. */
  readonly stop: () => Promise<void>
}

/** Resolves once connections are taken. @throws {Error} with the server's last lines when it ends before. */
export async function startServer(
  postgres: string,
  flags: readonly string[],
  place: Place,
  log: (line: string) => void,
): Promise<Server> {
  // A group of its own: Ctrl-C ends us in order, and the store after what still has to be written.
  const child = spawn('/bin/sh', ['-c', GUARD, 'sh', postgres, '-D', dataPath(place), ...flags], {
    ...options(place),
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  })
  let stopping = false
  const tail = collectTail(child, (line) => {
    // A shutdown ends every session with a FATAL, which is nothing to tell.
    if (!stopping) log(line)
  })
  const ended = exit(child).then(() => tail.text())
  const server = {
    ended,
    stop: async () => {
      stopping = true
      child.stdin?.destroy()
      await ended
    },
  }
  const ready = new Promise<true>((resolve) => tail.onReady(() => resolve(true)))
  const started = await Promise.race([ready, ended])
  if (started !== true) throw new Error(started || 'it ended without a word')
  return server
}

/** Runs a program to its end. @throws {Error} with what it wrote when it fails. */
export async function run(program: string, args: readonly string[], place: Place): Promise<void> {
  const child = spawn(program, args, { ...options(place), stdio: ['ignore', 'ignore', 'pipe'] })
  const tail = collectTail(child, () => undefined)
  const status = await exit(child)
  if (status !== 0) throw new Error(tail.text() || `it ended with status ${String(status)}`)
}

function options(place: Place) {
  return { cwd: place.folder, env: ENVIRONMENT, ...place.account }
}

async function exit(child: ChildProcess): Promise<unknown> {
  try {
    const [status] = (await once(child, 'close')) as unknown[]
    return status
  } catch (error) {
    return message(error)
  }
}

function collectTail(child: ChildProcess, log: (line: string) => void) {
  const lines: string[] = []
  let ready = (): void => undefined
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('database system is ready to accept connections')) ready()
      if (/\b(?:WARNING|ERROR|FATAL|PANIC):/.test(line)) log(line)
      lines.push(line)
      if (lines.length > 8) lines.shift()
    })
  }
  return {
    text: () => lines.join('\n'),
    onReady: (listener: () => void) => {
      ready = listener
    },
  }
}
