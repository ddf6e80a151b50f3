import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import type { Verifier } from '../../identity/verifier.ts'
import { identify } from './identify.ts'

const verifier = {
  verify: () => Promise.resolve({ ok: true, value: { subject: {}, session_id: 'a' } }),
} as unknown as Verifier

const labelOf = async (said: string) => {
  const incoming = {
    rawHeaders: ['Authorization', 'Bearer t'],
    headers: { 'x-session': said },
    socket: {},
  } as unknown as IncomingMessage
  const caller = await identify(incoming, 'l', verifier, ['x-session'])
  return caller.ok ? caller.value.session.label : caller.error
}

test.each(['6f2c-0a', 'a.b:c_d', '.a', 'x'.repeat(128)])(
  'a session may be called %s',
  async (said) => {
    expect(await labelOf(said)).toBe(said)
  },
)

test.each(['', '-x', '--json', 'a b', 'ä', '<b>', 'x'.repeat(129)])(
  'a session called %j has no label: it is shown, and typed in commands',
  async (said) => {
    expect(await labelOf(said)).toBeUndefined()
  },
)
