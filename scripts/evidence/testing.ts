import { checkpointText } from '../../pdp/evidence/checkpoint.ts'
import type { LeafBody, SignedCheckpoint } from '../../pdp/evidence/log-store.ts'
import { rootOf } from '../../pdp/evidence/merkle/range.ts'
import { formatNote } from '../../pdp/evidence/note.ts'
import {
  createMemoryStore,
  type MemoryStore,
  type TestKey,
  testKey,
  testLeaf,
} from '../../pdp/evidence/testing.ts'
import { exportEvidence, type ExportOptions } from '../../pdp/evidence/export.ts'

/** Small signed logs for tests, the same in every run. */

export const ORIGIN = 'evidence.example/test-log'
export const KEY = testKey(ORIGIN)
const START_MS = 1_700_000_000_000

export type TestLog = {
  readonly store: MemoryStore
  /** Appends plain leaves, or the given ones. */
  readonly grow: (count: number, leaves?: readonly LeafBody[]) => Promise<void>
  readonly sign: (...keys: readonly TestKey[]) => Promise<SignedCheckpoint>
  readonly lines: (options?: Partial<ExportOptions>) => Promise<string[]>
}

export function testLog(store?: MemoryStore): TestLog {
  let clock = START_MS + (store?.rows.head.size ?? 0)
  const log = store ?? createMemoryStore(() => clock)
  return {
    store: log,
    async grow(count, leaves = []) {
      for (let n = 0; n < count; n += 1) {
        clock += 1
        await log.append([testLeaf(log.rows.head.size)])
      }
      if (leaves.length > 0) await log.append(leaves)
    },
    async sign(...keys) {
      const { size, range } = await log.head()
      const root = rootOf(range)
      const text = checkpointText({ origin: ORIGIN, size, root })
      const lines = (keys.length > 0 ? keys : [KEY]).map((key) => key.line(text))
      const checkpoint = { size, root, note: formatNote(text, lines), at_ms: START_MS + size }
      await log.checkpoints.add(checkpoint)
      return checkpoint
    },
    async lines(options) {
      const lines: string[] = []
      for await (const line of exportEvidence({
        store: log,
        origin: ORIGIN,
        now: () => START_MS,
        ...options,
      }))
        lines.push(line.trimEnd())
      return lines
    },
  }
}
