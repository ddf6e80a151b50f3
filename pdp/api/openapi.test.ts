import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestPdp, type TestPdp } from '../testing.ts'
import { openapi } from './openapi.ts'
import { operations } from './operations.ts'

let it: TestPdp
beforeAll(async () => {
  it = await startTestPdp()
})
afterAll(() => it.close())

test('the document is OpenAPI 3.1', async () => {
  const result = await new Validator().validate(openapi())
  expect(result.errors).toBeUndefined()
  expect(result.valid).toBe(true)
})

test('every route is described, and every description is a route', async () => {
  const served = new Set(it.pdp.routes())
  const described = new Set(
    operations.map(
      ({ method, path }) =>
        `${method.toUpperCase()} ${path.replace(/\{path\}|(?<=policies\/)\{id\}/, '*').replace(/\{(\w+)\}/g, ':$1')}`,
    ),
  )
  expect([...described].sort()).toEqual([...served].sort())
})

test('it is served, and its page has nothing from elsewhere', async () => {
  const document = (await (await fetch(`${it.url}/openapi.json`)).json()) as { openapi: string }
  expect(document.openapi).toBe('3.1.0')
  const response = await fetch(`${it.url}/docs`)
  const html = await response.text()
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(html).not.toMatch(/<script|src=|https?:\/\/(?!127\.0\.0\.1)/)
  for (const { path } of operations) expect(html).toContain(path)
})
