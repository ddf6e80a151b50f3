import { expect, test } from 'vitest'
import { createBacklog } from './epoch.ts'

test('the backlog is full from its bound on, and until it is below 90 % of it', () => {
  const backlog = createBacklog(1000)
  backlog.add(999)
  expect(backlog.full).toBe(false)
  backlog.add(1)
  expect(backlog.full).toBe(true)
  backlog.add(-100)
  expect(backlog.full).toBe(true)
  backlog.add(-1)
  expect(backlog.full).toBe(false)
  backlog.add(100)
  expect(backlog.full).toBe(false)
  expect(backlog.bytes).toBe(999)
})
