import { expect, test } from 'vitest'
import { runWithInput } from './run.ts'

test('a program gets its input and is quoted by what it printed alone', async () => {
  expect(await runWithInput(['cat'], 'wrapped')).toEqual({ ok: true, value: 'wrapped' })
  const failed = await runWithInput(['sh', '-c', 'echo secret; echo secret >&2; exit 3'], 'secret')
  expect(failed).toEqual({ ok: false, error: 'the command sh failed (3)' })
})

test('a program that ignores being asked to end is waited for no longer than one that does not', async () => {
  const began = performance.now()
  const ran = await runWithInput(['sh', '-c', "trap '' TERM; sleep 8; echo late"], '', 300)
  expect(ran).toEqual({ ok: false, error: 'the command sh failed (SIGKILL)' })
  expect(performance.now() - began).toBeLessThan(4000)
})
