import { expect, test } from 'vitest'
import { createGroupCommit } from './group.ts'

test('what is appended in one turn, or while a group is written, is committed together and in order', async () => {
  const groups: number[][] = []
  let release = Promise.withResolvers<void>()
  const group = createGroupCommit<number>(async (entries) => {
    groups.push([...entries])
    await release.promise
  })
  const done: number[] = []
  const push = (n: number) => group.push(n).then(() => done.push(n))
  const first = [push(1), push(2)]
  await new Promise((resolve) => setTimeout(resolve, 5))
  const second = [push(3), push(4), push(5)]
  expect(groups).toEqual([[1, 2]])
  expect(done).toEqual([])
  release.resolve()
  await Promise.all([...first, ...second])
  expect(groups).toEqual([
    [1, 2],
    [3, 4, 5],
  ])
  expect(done).toEqual([1, 2, 3, 4, 5])

  release = Promise.withResolvers<void>()
  const third = push(6)
  let idle = false
  void group.idle().then(() => (idle = true))
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(idle).toBe(false)
  release.resolve()
  await third
  await group.idle()
  expect(idle).toBe(true)
})

test('a group that fails rejects all of it, and the next one is asked again', async () => {
  let fail = true
  const group = createGroupCommit<number>(async () => {
    if (fail) throw new Error('no room')
  })
  const settled = await Promise.allSettled([group.push(1), group.push(2)])
  expect(settled.map((one) => one.status)).toEqual(['rejected', 'rejected'])
  fail = false
  await expect(group.push(3)).resolves.toBeUndefined()
})
