import { Transform } from 'node:stream'

/** Counts lines of JSON as they pass, shows progress on a terminal, and notes whether the last one says it is the end. */
export function counting(what: string): {
  readonly stream: Transform
  readonly lines: () => number
  readonly ended: () => boolean
} {
  let lines = 0
  let last = ''
  let shown_ms = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = chunk.toString('latin1')
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1
      last = (last + text).slice(-TAIL)
      const now_ms = performance.now()
      if (process.stderr.isTTY && now_ms - shown_ms > 200) {
        shown_ms = now_ms
        process.stderr.write(`\r${what}: ${lines} lines`)
      }
      done(null, chunk)
    },
    flush(done) {
      if (process.stderr.isTTY && shown_ms > 0) process.stderr.write('\r\u001b[K')
      done()
    },
  })
  return {
    stream,
    lines: () => lines,
    ended: () => /(?:^|\n)\{"end":\{[^\n]*\}\}\n$/.test(last),
  }
}

/** More than an end line has. */
const TAIL = 1024
