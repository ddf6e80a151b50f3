import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createCheckpointer } from '../../pdp/evidence/checkpointer.ts'
import { exportEvidence } from '../../pdp/evidence/export.ts'
import { ED25519 } from '../../pdp/evidence/note.ts'
import { testKey } from '../../pdp/evidence/testing.ts'
import { openStore } from '../../pdp/store/open.ts'
import { openTestStore } from '../../pdp/store/testing.ts'
import { testSealer } from '../../sealing/testing.ts'
import { verifyExport } from '../../scripts/evidence/verify.ts'
import { openJournal, ORIGIN, people, recordsOver } from './recorded-log.ts'
import { verifyAgain } from './second-verifier.ts'

const ROUNDS = 12

test('two services that both believe to be the writer write one log, in which every frame is one leaf', async () => {
  const first = await openTestStore()
  const { url, folder } = first
  const second = await openStore({ url, folder, name: 'pdp-2', log: () => undefined })
  const stores = [first.store, second]
  const key = testKey(ORIGIN, ED25519, 'of both')
  const published: string[] = []
  const checkpointers = stores.map((store, at) =>
    createCheckpointer({
      store: store.log,
      signers: [key],
      origin: ORIGIN,
      anchors: [],
      folder: join(folder, `pdp-${at}`),
      log: () => undefined,
      every_ms: 5,
    }),
  )
  let frames = 0
  const journals = ['pep-1', 'pep-2', 'pep-3'].map(async (pep) => {
    const journal = openJournal(pep, await testSealer())
    for (let round = 0; round < ROUNDS; round += 1) {
      const batch = journal(round)
      frames += batch.frames.length
      // An enforcement point that heard no answer from the one asks the other, and both are at it.
      const taken = await Promise.all(stores.map((store) => recordsOver(store).append(batch)))
      expect(taken.map(({ ok }) => ok)).toEqual([true, true])
    }
  })
  const administering = stores.map(async (store) => {
    for (let round = 0; round < ROUNDS; round += 1) await people(store, round)
  })
  const state = { over: false }
  const watching = (async () => {
    while (!state.over) {
      const newest = await second.log.checkpoints.newest()
      if (newest) published.push(newest.note)
      await sleep(10)
    }
  })()
  await Promise.all([...journals, ...administering])
  state.over = true
  await watching
  for (const checkpointer of checkpointers) {
    expect(await checkpointer.flush()).toBeDefined()
    expect(checkpointer.status().state).toBe('ok')
    await checkpointer.close()
  }

  const lines: string[] = []
  for await (const line of exportEvidence({ store: second.log, origin: ORIGIN })) lines.push(line)
  const leaves = lines
    .filter((line) => line.startsWith('{"index'))
    .map((line) => JSON.parse(line) as { leaf: string })
  const ofPeps = leaves.filter(({ leaf }) => leaf.includes('"source":{"epoch"'))
  expect(ofPeps).toHaveLength(frames)
  async function* each() {
    for (const line of lines) yield line.trimEnd()
  }
  const report = await verifyExport(each(), { keys: [key.key], anchors: published })
  expect(report.problems).toEqual([])
  expect(report.freshness).toBe('anchored')
  const again = verifyAgain(gzipSync(lines.join('')), [key.key.vkey], published)
  expect(again).toEqual({ problems: [], freshness: 'proven' })
  await second.close()
})
