import { expect, test } from 'vitest'
import { err, ok } from '../contract/result.ts'
import { shownReasons } from './shown.ts'
import type { Steps } from './steps.ts'

const SSN = '078-05-1120'
const reasons = [
  { rule: 'r', message: `deletes ${SSN}` },
  { rule: 'q', message: 'needs a person' },
]

const masking: Steps['masked'] = (record) =>
  Promise.resolve(ok(JSON.parse(JSON.stringify(record).replaceAll(SSN, '[ssn]')) as typeof record))

test('reasons are told with what they quote masked, and with nothing where it cannot be', async () => {
  expect(await shownReasons({ masked: masking }, reasons)).toEqual([
    { rule: 'r', message: 'deletes [ssn]' },
    { rule: 'q', message: 'needs a person' },
  ])
  const refusing: Steps['masked'] = () =>
    Promise.resolve(err({ code: 'not_maskable', message: 'no mask' }))
  expect(await shownReasons({ masked: refusing }, reasons)).toEqual([
    { rule: 'r', message: '[NOT SHOWN]' },
    { rule: 'q', message: '[NOT SHOWN]' },
  ])
})
