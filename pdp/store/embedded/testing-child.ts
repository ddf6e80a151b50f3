import postgres from 'postgres'
import { openStore } from '../open.ts'
import { startEmbedded } from './server.ts'

/**
 * A process with a store of its own, for tests that kill it. `argv`: what to open, and its folder.
 * Says the server's process id once it runs, then waits for the end of its input.
 */
const [what, folder = ''] = process.argv.slice(2)
const log = (line: string) => void process.stderr.write(`${line}\n`)
if (what === 'store') {
  const store = await openStore({ folder, log })
  process.stdout.write(`${JSON.stringify(await store.ready())}\n`)
  process.stdin.on('end', () => void store.close()).resume()
} else {
  const server = await startEmbedded(folder, log)
  const sql = postgres(server.url, { max: 1 })
  const [row] = await sql`select pg_read_file('postmaster.pid') as file`
  await sql.end()
  process.stdout.write(`${String(row?.['file']).split('\n')[0]}\n`)
  process.stdin.on('end', () => void server.stop()).resume()
}
