import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { toolTraits } from '../scripts/policy-data/sources.ts'

test('the traits of tool calls that tables may name are those that the rules give and the docs list', async () => {
  const rules = await readFile('rego/countersign/lib/tool.rego', 'utf8')
  const given = [...rules.matchAll(/^traits contains "(\w+)"/gm)].map(([, name]) => name)
  expect(new Set(given)).toEqual(new Set(toolTraits))
  const docs = await readFile('docs/policy.md', 'utf8')
  const listed = [...docs.matchAll(/^\| `(\w+)` +\|.*\|$/gm)].map(([, name]) => name)
  expect(new Set(listed)).toEqual(new Set(toolTraits))
})
