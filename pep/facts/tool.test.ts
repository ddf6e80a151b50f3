import { expect, test } from 'vitest'
import { facts } from '../../pdp/contract/facts.ts'
import { toolFacts } from './tool.ts'

const of = (name: string, input: unknown) => {
  const found = toolFacts(name, input, JSON.stringify(input).length)
  facts.parse({ ...found, detectors: {}, phrases: [], paths: {} })
  return found
}

test('Bash has shell facts, and so has any tool that takes a command', () => {
  expect(of('Bash', { command: 'rm -fr x' }).shell?.commands[0]?.name).toBe('rm')
  expect(of('mcp__shell__run', { command: 'rm -fr x' }).shell?.commands[0]?.name).toBe('rm')
  expect(of('exec', { command: ['rm', '-fr', 'x; ls'] }).shell?.commands).toEqual([
    { name: 'rm', args: ['-fr', 'x; ls'], flags: ['-f', '-r'], wrappers: [] },
  ])
  expect(of('bash', { restart: true }).shell?.commands).toEqual([])
  expect(of('Read', { file_path: '/a' }).shell).toBeUndefined()
})

test('a command that is not text makes the facts incomplete', () => {
  expect(of('Bash', { command: { a: 1 } }).incomplete).toEqual(['tool.input.command: not text'])
})

test('tools of an MCP server are named by server and tool', () => {
  expect(of('mcp__db__run__query', {}).tool.mcp).toEqual({ server: 'db', tool: 'run__query' })
  expect(of('mcp__db', {}).tool.mcp).toBeUndefined()
})

test('top-level strings are facts; long documents are cut, anything else that is cut is said', () => {
  const found = of('Write', { file_path: '/a', content: 'x'.repeat(9000), n: 1 })
  expect(found.tool.input).toEqual({ file_path: '/a', content: 'x'.repeat(512) })
  expect(found.incomplete).toEqual([])
  const sql = of('query', { sql: `${'-- x\n'.repeat(2000)}drop table t` })
  expect(sql.incomplete).toEqual(['tool.input.sql: cut'])
  const many = of('x', Object.fromEntries(Array.from({ length: 100 }, (_, k) => [`f${k}`, 'v'])))
  expect(many.incomplete).toEqual(['tool.input: more than fits'])
})

test('an input that is not an object is incomplete', () => {
  expect(of('x', [1]).incomplete).toEqual(['tool.input: not an object'])
})

test('a field called __proto__ is a field', () => {
  const input: unknown = JSON.parse('{"__proto__": "x"}')
  expect(Object.keys(of('x', input).tool.input)).toEqual(['__proto__'])
})
