import { expect, test } from 'vitest'
import { refusalAnswer, refusalText } from './refuse.ts'

const body = (answer: ReturnType<typeof refusalAnswer>): unknown => JSON.parse(answer.body)

test('a refusal by policy is a 451 that names the decision and is not tried again', () => {
  const answer = refusalAnswer({
    code: 'denied',
    message: 'No grant covers this.',
    decision_id: 'd-1',
  })
  expect(answer.status).toBe(451)
  expect(answer.headers['x-should-retry']).toBe('false')
  expect(body(answer)).toMatchObject({
    type: 'error',
    error: {
      type: 'permission_error',
      message: 'Countersign: No grant covers this (decision d-1).',
      code: 'denied',
    },
  })
})

test('a pending approval is a 409 that may be sent again at once', () => {
  const answer = refusalAnswer({ code: 'approval_pending', message: 'waiting', approval_id: 'a-1' })
  expect(answer.status).toBe(409)
  expect(answer.headers).toEqual({ 'content-type': 'application/json', 'retry-after': '1' })
  expect(body(answer)).toMatchObject({
    error: { approval_id: 'a-1', message: 'Countersign: waiting (approval a-1).' },
  })
})

test('what may come back is tried again, a wrong credential is not', () => {
  const status = (
    code: 'pdp_unavailable' | 'record_unavailable' | 'upstream_unavailable' | 'unauthenticated',
  ) => refusalAnswer({ code, message: 'x' })
  expect(status('pdp_unavailable').headers['x-should-retry']).toBeUndefined()
  expect(status('record_unavailable').status).toBe(503)
  expect(status('upstream_unavailable').status).toBe(502)
  expect(status('unauthenticated').status).toBe(401)
})

test('the text for a refused call names what a person needs, once', () => {
  expect(
    refusalText('the tool call Bash', {
      code: 'approval_pending',
      message: 'waiting for approval a-1; send it again',
      decision_id: 'd-1',
      approval_id: 'a-1',
    }),
  ).toBe(
    '[Countersign refused the tool call Bash: waiting for approval a-1; send it again (decision d-1).]',
  )
})
