/** What was appended in one turn of the event loop, or while the group before was being written. */
type Group<T> = {
  readonly entries: T[]
  readonly done: PromiseWithResolvers<void>
}

export type GroupCommit<T> = {
  /** Joins the next group. Resolves when it is committed, rejects with what `commit` threw. */
  readonly push: (entry: T) => Promise<void>
  /** Resolves when nothing is waiting or being committed. Never rejects. */
  readonly idle: () => Promise<void>
}

/**
 * Commits what waits together, one group at a time and in order: the cost of a sync is shared by all who wait for it.
 * After a failed group, groups that were begun meanwhile are still given to `commit`, which must refuse them.
 */
export function createGroupCommit<T>(
  commit: (entries: readonly T[]) => Promise<void>,
): GroupCommit<T> {
  let waiting: Group<T> | undefined
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    // Let the rest of this turn of the event loop join.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting) {
      const group = waiting
      waiting = undefined
      try {
        await commit(group.entries)
        group.done.resolve()
      } catch (error) {
        group.done.reject(error)
      }
    }
    running = undefined
  }

  return {
    push(entry) {
      waiting ??= { entries: [], done: Promise.withResolvers<void>() }
      waiting.entries.push(entry)
      running ??= run()
      return waiting.done.promise
    },
    idle: () => running ?? Promise.resolve(),
  }
}
