import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DecisionCase, judge, loadCases } from './cases.ts'

const email = { kind: 'mask', where: 'response', detectors: ['email'], style: 'partial' } as const
const allow = {
  effect: 'allow',
  reasons: [{ rule: 'grant.a', message: 'A.' }],
  obligations: [email, { kind: 'record', body: 'full' }],
}
const wanting = (want: Partial<DecisionCase['want']>): DecisionCase => ({
  file: 'a.yaml',
  line: 1,
  description: 'A',
  input: {},
  want: { effect: 'allow', rules: ['grant.a'], ...want },
})

test('a verdict is judged by effect, rules, message and obligations', () => {
  expect(judge(wanting({}), allow)).toEqual([])
  expect(judge(wanting({ effect: 'deny' }), allow)).toEqual(['effect: want "deny", got "allow"'])
  expect(judge(wanting({ rules: [] }), allow)).toHaveLength(1)
  expect(judge(wanting({ message: 'B.' }), allow)).toHaveLength(1)
  expect(judge(wanting({ obligations: [{ ...email }] }), allow)).toHaveLength(1)
  expect(judge(wanting({ includes: [{ kind: 'mask', detectors: ['email'] }] }), allow)).toEqual([])
  expect(judge(wanting({ includes: [{ kind: 'limit' }] }), allow)).toHaveLength(1)
  expect(judge(wanting({ excludes: [{ kind: 'record' }] }), allow)).toHaveLength(1)
})

test('what is not a verdict agrees with nothing', () => {
  expect(judge(wanting({}), undefined)).toEqual(['not a verdict: undefined'])
  expect(judge(wanting({}), { ...allow, more: 1 })).toHaveLength(1)
})

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-cases-'))
  await writeFile(join(folder, 'bases.yaml'), 'nothing: {}\n')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('an input that is not a decision request is refused, unless the case says that it is malformed', async () => {
  const file = join(folder, 'a.yaml')
  const one = (more: string) =>
    `base: nothing\ncases:\n  - description: d\n    input: {}\n${more}    want: { effect: deny, rules: [] }\n`
  await writeFile(file, one(''))
  await expect(loadCases(folder)).rejects.toThrow(/a\.yaml: "d": not a decision request/)
  await writeFile(file, one('    malformed: true\n'))
  expect(await loadCases(folder)).toMatchObject([{ line: 3, description: 'd', input: {} }])
})

test('a folder without cases is refused, so that an empty suite never passes', async () => {
  await expect(loadCases(folder)).rejects.toThrow(/no decision cases/)
})
