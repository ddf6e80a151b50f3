import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Report } from './report.ts'

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string }

const leakcheck = (...args: readonly string[]): Promise<Ended> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      [resolve('scripts/leakcheck.ts'), ...args],
      { maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

describe('npm run leakcheck', () => {
  test(
    'against Countersign finds no leak in text, tool inputs and results',
    { timeout: 120_000 },
    async () => {
      const only = ['ssn.text', 'card.tool_input', 'email.server_result', 'jwt.error', 'control']
      const { code, stdout } = await leakcheck(
        '--self',
        '--json',
        ...only.flatMap((one) => ['--only', one]),
      )
      const report = JSON.parse(stdout) as Report
      expect(report).toMatchObject({
        leaked: 0,
        broken: 0,
        altered: 0,
        refused: 0,
        cut: 0,
        findings: [],
      })
      expect(report.cases).toBeGreaterThan(100)
      expect(report.first_byte.map(({ place }) => place)).toEqual([
        'text',
        'thinking',
        'tool_input',
      ])
      expect(code).toBe(0)
    },
  )

  test('says what to configure when no request arrives at the stand-in', async () => {
    const { code, stderr } = await leakcheck('--target', 'http://127.0.0.1:9', '--wait', '0')
    expect(code).toBe(4)
    expect(stderr).toMatch(
      /configure the gateway's upstream for Anthropic as http:\/\/127\.0\.0\.1:\d+/,
    )
  })

  test.each([
    ['no gateway', []],
    ['two gateways', ['--self', '--target', 'http://127.0.0.1:9']],
    ['no case', ['--self', '--only', 'nothing']],
    ['no URL', ['--target', 'localhost']],
    ['no header', ['--self', '--header', 'x']],
  ])('with %s ends with 2', async (_, args) => {
    expect((await leakcheck(...args)).code).toBe(2)
  })

  test('lists its cases under ids that differ', async () => {
    const { stdout } = await leakcheck('--list', '--json')
    const ids = (JSON.parse(stdout) as { readonly id: string }[]).map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toContain('card.text.at-7')
  })
})
