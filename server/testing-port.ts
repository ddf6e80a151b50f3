import { createServer } from 'node:net'

/** Systems give listeners that ask for any port one above these: Linux from 32768 on, others from 49152 on. */
const FIRST = 20_000
const COUNT = 12_000
/** Processes that run side by side have numbers close to each other, and so ports apart. */
const PER_PROCESS = 64

let given = 0

/**
 * A port for what is started on it more than once: nobody else is given it while nobody listens there.
 * @returns one that is free, and another one each time.
 */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = FIRST + ((process.pid * PER_PROCESS + given) % COUNT)
    given += 1
    if (await isFree(port)) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
