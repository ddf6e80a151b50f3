/** A bar on a terminal; nothing elsewhere. */
export type Progress = {
  readonly update: (done: number, leaked: number) => void
  readonly end: () => void
}

const WIDTH = 30
const EVERY_MS = 100

export function createProgress(total: number, to: NodeJS.WriteStream = process.stderr): Progress {
  if (!to.isTTY) return { update: () => undefined, end: () => undefined }
  let last = 0
  return {
    update(done, leaked) {
      if (done < total && performance.now() - last < EVERY_MS) return
      last = performance.now()
      const full = Math.round((WIDTH * done) / total)
      const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full)
      to.write(`\r${bar} ${done} of ${total}, ${leaked} leaked`)
    },
    end: () => void to.write('\r\u001b[K'),
  }
}
