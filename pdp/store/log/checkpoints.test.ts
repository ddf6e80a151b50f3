import { beforeAll, expect, test } from 'vitest'
import type { EvidenceLog, Store } from '../store.ts'
import { openTestStore } from '../testing.ts'

let store: Store
let checkpoints: EvidenceLog['checkpoints']
beforeAll(async () => {
  ;({ store } = await openTestStore())
  ;({ checkpoints } = store.log)
})

const checkpoint = (size: number, at_ms: number, root = 1) => ({
  size,
  root: Buffer.alloc(32, root),
  note: `example/log\n${size}\n\n— signature\n`,
  at_ms,
})

test('checkpoints are found by size and by time, and the first of a size counts', async () => {
  expect(await checkpoints.newest()).toBeUndefined()
  expect(await checkpoints.before(10)).toBeUndefined()
  const [one, two, three] = [checkpoint(4, 100), checkpoint(8, 200), checkpoint(9, 200)]
  for (const each of [two, one, three]) await checkpoints.add(each)
  await checkpoints.add(checkpoint(8, 300, 2))
  expect(await checkpoints.newest()).toEqual(three)
  expect(await checkpoints.before(99)).toBeUndefined()
  expect(await checkpoints.before(199)).toEqual(one)
  expect(await checkpoints.before(200)).toEqual(three)
  expect(await checkpoints.between(4, 8, 9)).toEqual([one, two])
  expect(await checkpoints.between(0, 100, 2)).toEqual([one, two])
  expect(await checkpoints.between(10, 20, 2)).toEqual([])
})

test('signatures of witnesses come after the note’s own, each once', async () => {
  const signed = checkpoint(20, 400)
  await checkpoints.add(signed)
  await checkpoints.cosign(20, '— witness-b B==')
  await checkpoints.cosign(20, '— witness-a A==\n')
  await checkpoints.cosign(20, '— witness-a A==')
  const note = `${signed.note}— witness-a A==\n— witness-b B==\n`
  expect(await checkpoints.newest()).toEqual({ ...signed, note })
  expect(await checkpoints.between(20, 20, 1)).toEqual([{ ...signed, note }])
})

test('how far a sink has been sent the log is kept by its name', async () => {
  expect(await store.sinks.read('siem')).toBe(0)
  await store.sinks.write('siem', 7)
  await store.sinks.write('other', 3)
  await store.sinks.write('siem', 12)
  expect(await store.sinks.read('siem')).toBe(12)
  expect(await store.sinks.read('other')).toBe(3)
})
