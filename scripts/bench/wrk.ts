import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Load = {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly connections: number
  readonly seconds: number
  /** Replaced in the body by a number that is another in every request. */
  readonly counter?: string
  /** Runs on this core alone. */
  readonly core?: number
}

export type LoadResult = {
  readonly requests_per_s: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly errors: number
}

const lua = (text: string): string => {
  // A level of long brackets that the text does not contain.
  let level = '='
  while (text.includes(`]${level}]`)) level += '='
  return `[${level}[${text}]${level}]`
}

/** Digits of one length, so that the length of the body stays. */
const counting = (mark: string): string => `local template, n = wrk.body, 0
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, (template:gsub(${lua(mark)}, string.format('%08d', n))))
end`

/** Runs wrk with one thread. Anything but a 2xx counts as an error. */
export async function wrk(load: Load): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-wrk-'))
  const script = join(folder, 'load.lua')
  const headers = Object.entries(load.headers).map(
    ([k, v]) => `wrk.headers[ ${lua(k)} ] = ${lua(v)}`,
  )
  await writeFile(
    script,
    `wrk.method = ${lua(load.method)}
wrk.body = ${lua(load.body)}
${headers.join('\n')}
${load.counter === undefined ? '' : counting(load.counter)}
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %d %f %f %d\\n', summary.requests, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`,
  )
  try {
    const args = [
      '-t1',
      `-c${load.connections}`,
      `-d${load.seconds}s`,
      '--timeout',
      '10s',
      '-s',
      script,
    ]
    const pinned = load.core === undefined ? [] : ['taskset', '-c', String(load.core)]
    const [file, ...rest] = [...pinned, 'wrk', ...args, load.url]
    const { stdout } = await promisify(execFile)(file, rest)
    const numbers = /RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)/.exec(stdout)?.slice(1).map(Number)
    const [requests, duration_us, p50_ms, p99_ms, errors] = numbers ?? []
    if (!requests || !duration_us || p50_ms === undefined || p99_ms === undefined) {
      throw new Error(`wrk measured nothing: ${stdout}`)
    }
    return { requests_per_s: (requests / duration_us) * 1e6, p50_ms, p99_ms, errors: errors ?? 0 }
  } finally {
    await rm(folder, { recursive: true })
  }
}
