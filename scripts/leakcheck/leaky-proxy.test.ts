import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Case } from './case.ts'
import { allCases, selected } from './cases.ts'
import { createClient } from './client.ts'
import { reportOf, reportText } from './report.ts'
import { runCases } from './run.ts'
import { secrets } from './secrets.ts'
import { startStandIn } from './upstream.ts'

const closing: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A gateway that passes on what `change` makes of each chunk that it reads. */
async function startProxy(upstream: string, change: (chunk: string) => string): Promise<URL> {
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming
    const onward = send(new URL(url, upstream), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => outgoing.write(change(chunk)))
      answer.on('end', () => outgoing.end())
    })
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  )
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

async function check(cases: readonly Case[], change: (chunk: string) => string) {
  const standIn = await startStandIn(new Map(cases.map(({ id, script }) => [id, script])), 0)
  closing.push(standIn.close)
  const target = await startProxy(standIn.url, change)
  const client = createClient({ target, headers: {}, model: 'claude', timeout_ms: 5000 })
  closing.push(client.close)
  const { signal } = new AbortController()
  const options = { concurrency: 4, signal, progress: () => undefined }
  return reportOf(target.href, await runCases(cases, client, standIn, options), [], 1)
}

describe('a gateway', () => {
  test('that passes everything on leaks in every case, and alters no control', async () => {
    const cases = selected(allCases(), ['ssn', 'control'])
    const report = await check(cases, (chunk) => chunk)
    const controls = cases.filter(({ secret }) => !secret).length
    expect(report).toMatchObject({
      cases: cases.length,
      leaked: cases.length - controls,
      broken: 0,
      altered: 0,
      refused: 0,
      controls,
      identical: controls,
    })
  })

  test('that looks at each event by itself leaks where the secret is split, and the report says where', async () => {
    const card = secrets.find(({ kind }) => kind === 'card')!
    const report = await check(selected(allCases(), ['card.text']), (chunk) =>
      chunk.replaceAll(card.text, '[card]'),
    )
    const [row] = report.rows
    expect(report.leaked).toBeGreaterThan(20)
    expect(report.leaked).toBeLessThan(report.cases)
    expect(row?.first_leak).not.toBeNull()
    const leaked = new Map(report.findings.map(({ id, leaked }) => [id, leaked]))
    expect(leaked.get('card.text.at-9')).toBe('the message')
    expect(leaked.has('card.text.whole')).toBe(false)
    expect(reportText(report)).not.toContain(card.text.slice(0, 6))
  })

  test('that ruins signatures and frames is reported for both', async () => {
    const cases = selected(allCases(), ['control.thinking.events', 'control.text.events'])
    const report = await check(cases, (chunk) =>
      chunk
        .replace('EqQBCg', 'x')
        .replace('"signature":"c2ln', '"signature":"C2ln')
        .replace('"Hello"', '"Hello'),
    )
    expect(report.findings.map(({ id, broken, altered }) => ({ id, broken, altered }))).toEqual([
      { id: 'control.text.events', broken: 'an event that is not JSON', altered: undefined },
      { id: 'control.thinking.events', broken: undefined, altered: 'block 0: signature' },
    ])
  })
})
