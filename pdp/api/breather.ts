/** Longest time at a stretch that one request may keep others waiting, beside a single evaluation. */
const STRETCH_MS = 10

/** Made for a request of many parts; called between them, it lets others have their turn. */
export function createBreather(): () => Promise<void> | undefined {
  let since = performance.now()
  return () => {
    if (performance.now() - since < STRETCH_MS) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now()
        resolve()
      })
    })
  }
}
