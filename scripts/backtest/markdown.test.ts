import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { markdown } from './markdown.ts'
import type { Example, Report, Said } from './report.ts'
import { told } from './text.ts'

const said = (rule: string): Said => ({
  effect: 'deny',
  rules: [rule],
  obligations: [{ kind: rule }],
})

function report(name: string, groups = 1): Report {
  const example: Example = {
    decision_id: name,
    time_ms: 1,
    session_id: name,
    subject: name,
    action: name,
    connection: name,
    resource: name,
  }
  const many = <T>(one: T): T[] => Array.from({ length: groups }, () => one)
  const examples = [example, example]
  return {
    candidate: { name, revision: 'a'.repeat(64), beside: [name] },
    live: name,
    first_ms: 1,
    last_ms: 2,
    decisions: 10,
    unchanged: 1,
    changed: { 'new allow': 1, 'new approval': 0, 'new deny': 0, 'other duties': 1 },
    defects: 1,
    not_policy: { [name]: 1 },
    unavailable: many({ revision: name, why: name, count: 1, fails_its_test: false }),
    undecidable: [{ reason: 'facts_differ', message: 'differs', count: 1, examples }],
    by_rule: many({
      kind: 'other duties' as const,
      from: said(name),
      to: said(`${name}!`),
      count: 1,
      examples,
    }),
    by_subject: many({
      kind: 'new allow' as const,
      subject: { issuer: name, type: name, id: name },
      from: 'deny' as const,
      to: 'allow' as const,
      count: 1,
      examples,
    }),
    defect_examples: many({
      ...example,
      revision: name,
      why: name,
      recorded: said(name),
      evaluated: said(`${name}!`),
    }),
    left_out: { rules: 0, subjects: 0 },
    evaluations: { evaluated: 1, known: 1 },
  }
}

/** What may stand in it: its own words, rows, and what is escaped. */
function bare(text: string): string {
  return text
    .replaceAll(/<\/?code>|<br>/g, '')
    .replaceAll(/&#\d+;/g, '')
    .replaceAll('`countersign policy explain <id>`', '')
}

const hostile = [
  '](http://evil.example) <img src=x onerror=alert(1)>',
  '</code><script>alert(1)</script>',
  '`code` **bold** _em_ ~~no~~ # head',
  '@everyone #1 org/repo#2',
  '| a | b |\n| --- | --- |\n\n<details>',
  'www.evil.example https://evil.example/x a@b.example',
  '&lt;img&gt; &#60;b&#62;',
  '<!-- countersign policy -->',
  '\u202eabc\u0007\u001b[31m',
]

test.each(hostile)('%j is text in Markdown, in a cell of its own row', (name) => {
  const text = markdown(report(name))
  const plain = bare(text)
  expect(plain).not.toMatch(/[<>`@]|\]\(|https?:|www\.|~~|_em_|&lt;|&(?!#)/)
  // As many rows as for a harmless name.
  expect(text.split('\n').length).toBe(markdown(report('x')).split('\n').length)
  const columns = (row: string): number => row.split('|').length
  for (const [at, row] of text.split('\n').entries())
    expect(columns(row)).toBe(columns(markdown(report('x')).split('\n')[at] ?? ''))
})

test('Markdown is bounded, whatever there is of it, and says what is left out', () => {
  fc.assert(
    fc.property(
      // What is escaped takes six characters for one.
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 3000 }),
        fc.string({ unit: fc.constantFrom('@', '|', '<'), minLength: 200, maxLength: 300 }),
      ),
      fc.integer({ min: 1, max: 300 }),
      (name, groups) => {
        const text = markdown(report(name, groups))
        expect(text.length).toBeLessThan(60_000)
        if (groups > 40) expect(text).toMatch(/… and \d+ more\./)
      },
    ),
    { numRuns: 60 },
  )
})

test('on a terminal nothing that others wrote is a control sequence', () => {
  for (const name of hostile)
    // oxlint-disable-next-line no-control-regex
    expect(told(report(name)).replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f\u202e]/)
})

test('values in what was asked for are masked, also where they are written with escapes', () => {
  for (const resource of [
    '/customers/219-09-9999',
    '/customers/219%2D09%2D9999',
    'of 219-09-9999',
  ]) {
    const { by_rule, ...rest } = report('x')
    const [row] = by_rule
    const [example] = row?.examples ?? []
    if (!row || !example) throw new Error('it has one')
    const text = markdown({ ...rest, by_rule: [{ ...row, examples: [{ ...example, resource }] }] })
    expect(text).toContain('REDACTED')
    expect(text).not.toMatch(/219|9999/)
  }
})
