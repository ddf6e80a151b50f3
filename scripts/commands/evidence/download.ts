import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { CommandError } from '../output.ts'
import { streamPdp } from '../pdp-api.ts'
import { counting } from './counting.ts'

/**
 * Writes what the decision service streams, lines of JSON with an end line, into a file as gzip; whole or not at all.
 * @returns how many lines.
 * @throws {CommandError}
 */
export async function download(
  pdp: string,
  path: string,
  sent: unknown,
  out: string,
): Promise<number> {
  const body = await streamPdp(pdp, path, 'application/x-ndjson', sent)
  const counted = counting(out)
  // New, so that it is nobody else's, with nobody else's rights.
  const beside = `${out}.${randomUUID()}`
  try {
    const file = createWriteStream(beside, { mode: 0o600, flags: 'wx' })
    await pipeline(Readable.fromWeb(body), counted.stream, createGzip(), file)
    if (!counted.ended()) throw new Error('the service broke off before the end')
    await rename(beside, out)
    return counted.lines()
  } catch (cause) {
    await rm(beside, { force: true })
    throw new CommandError('failed', `nothing was written: ${(cause as Error).message}`, { cause })
  }
}
