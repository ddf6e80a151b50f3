import { Readable, pipeline, type Transform } from 'node:stream'
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib'

/** Output beyond `FREE_BYTES` may be at most so many times the input: what compresses better is a bomb. */
const MAX_RATIO = 100
const FREE_BYTES = 8 * 1024 * 1024

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
} as const satisfies Record<string, () => Transform>

/** A body that could not be decoded; what came out before it is right. */
export class DecodeError extends Error {}

/**
 * Finds how to decode a body.
 * @param encoding value of `Content-Encoding`.
 * @returns `undefined` for an encoding that is not known, or several: refuse the answer, nobody can look into it.
 */
export function decoderOf(
  encoding: string | undefined,
): ((body: AsyncIterable<Buffer>) => AsyncIterable<Buffer>) | undefined {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return (body) => body
  const create = Object.hasOwn(decoders, name) ? decoders[name as keyof typeof decoders] : undefined
  return create && ((body) => decode(body, create()))
}

async function* decode(body: AsyncIterable<Buffer>, decoder: Transform): AsyncGenerator<Buffer> {
  let input = 0
  let output = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      input += chunk.length
      yield chunk
    }
  }
  // An error of the upstream reaches the reader below through the pipeline.
  pipeline(Readable.from(counted(), { objectMode: false }), decoder, () => {})
  try {
    for await (const chunk of decoder) {
      const bytes = chunk as Buffer
      output += bytes.length
      if (output > FREE_BYTES && output > input * MAX_RATIO)
        throw new DecodeError('the body unpacks to far more than was sent')
      yield bytes
    }
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('the body cannot be unpacked', { cause: error })
  } finally {
    decoder.destroy()
  }
}
