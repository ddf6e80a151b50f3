import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { curlCommand } from './curl.ts'
import { choose, requestOf, type RecordedRequest } from './one-step.ts'
import { readStep } from './step.ts'
import { each, exampleSession } from './testing.ts'

/** A curl that prints its arguments, each behind a NUL, and then what it was given on standard input. */
const folder = mkdtempSync(join(tmpdir(), 'countersign-curl-'))
const fake = join(folder, 'curl')
writeFileSync(
  fake,
  `#!/bin/sh\nprintf '%s\\0' "$@"\nprintf 'BODY\\0'\n[ "$HAS_BODY" = 1 ] && cat\nexit 0\n`,
)
chmodSync(fake, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))

function run(request: RecordedRequest): { args: readonly string[]; body: Buffer } {
  const command = curlCommand(request, 'http://127.0.0.1:8080/')
  expect(command).toMatch(/^[\u0020-\u007e\n]*$/)
  const out = execFileSync('/bin/sh', ['-euc', command], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: `${folder}:${process.env['PATH']}`,
      AGENT_TOKEN: 'a-token',
      HAS_BODY: request.body.length > 0 ? '1' : '0',
    },
  })
  const end = out.indexOf('BODY\0')
  const args = out.subarray(0, end).toString('latin1').split('\0').slice(0, -1)
  return { args, body: out.subarray(end + 5) }
}

const base = {
  connection: 'customers',
  method: 'POST',
  target: '/x',
  headers: [],
  remarks: [],
} as const

const nasty = fc.constantFrom(
  "'",
  '"',
  '`',
  '$(touch pwned)',
  '\\',
  '%',
  '\n',
  '\0',
  '@file',
  '-n',
  '!',
  '\u001b[31m',
  '\u202e',
  'é',
  '\u{1f600}',
)
const text = fc
  .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 12 })
  .map((all) => all.join(''))
const bytes = fc.oneof(
  text.map((one) => Buffer.from(one)),
  fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)),
)

test('whatever a body holds, sh gives curl the same bytes', () => {
  fc.assert(
    fc.property(bytes, (body) => {
      expect(run({ ...base, body }).body.equals(body)).toBe(true)
    }),
    { numRuns: 300 },
  )
}, 60_000)

test('whatever headers and path hold, curl gets them as they were, and nothing else runs', () => {
  const name = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/)
  // What a header can have on the wire: one character a byte, no line end, no NUL.
  const value = fc
    .array(
      fc.oneof(
        fc.constantFrom("'", '"', '$(touch pwned)', '`id`', '\\', '%s', '-n', '\t'),
        fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)),
      ),
      { maxLength: 12 },
    )
    .map((all) => all.join(''))
  fc.assert(
    fc.property(name, value, text, (name, value, path) => {
      fc.pre(!/^(?:authorization|host|expect|connection)$/i.test(name))
      const { args } = run({
        ...base,
        target: `/${path}`,
        headers: [[name, value]],
        body: Buffer.alloc(0),
      })
      expect(args).toContain('Authorization: Bearer a-token')
      expect(args).toContain(value === '' ? `${name};` : `${name}: ${value}`)
      const url = args.at(-1) ?? ''
      expect(url.startsWith('http://127.0.0.1:8080/customers/')).toBe(true)
      expect(url).toMatch(/^[\u0021-\u007e]+$/)
      expect(args.at(-2)).toBe('--')
    }),
    { numRuns: 300 },
  )
}, 60_000)

test('credentials and what a client sets itself are left out, and so is what is no header', () => {
  const headers = [
    ['Authorization', 'Bearer secret'],
    ['X-Api-Key', 'secret'],
    ['Host', 'h'],
    ['a\nb', 'c'],
    ['@file', 'x'],
    ['x', 'a\r\nb'],
  ] as const
  const { args } = run({ ...base, headers, body: Buffer.from('x') })
  expect(args.filter((_one, n) => args[n - 1] === '--header')).toEqual([
    'Authorization: Bearer a-token',
    'Content-Type:',
  ])
})

test('a step of a session becomes the request of its operation', async () => {
  const steps = exampleSession().map(readStep)
  const chunk = steps.find(({ leaf }) => leaf.kind === 'outcome' && leaf.operation_id === 'op-3')!
  const request = requestOf(await choose(each(steps), { index: chunk.index }))
  expect(request).toMatchObject({ connection: 'customers', method: 'POST', target: '/refunds' })
  expect(run(request).body.toString()).toContain('120000000000000000001')
  const call = await choose(each(steps), { operation_id: 'op-1-tool' })
  expect(() => requestOf(call)).toThrow(
    'no request of its own: it is a tool call in the reply to op-1',
  )
  const erased = await choose(each(steps), { operation_id: 'op-7' })
  expect(() => requestOf(erased)).toThrow('there is nothing to send: its key was deleted')
  await expect(choose(each(steps), { index: 7 })).rejects.toThrow('no step 7')
  await expect(choose(each(steps), { operation_id: 'x' })).rejects.toThrow('no such operation')
})
