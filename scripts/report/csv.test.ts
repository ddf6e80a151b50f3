import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Figure } from '../../pdp/store/report/figure.ts'
import { csv, reportFiles } from './csv.ts'
import { exampleReport } from './testing.ts'

const figure = (type: 'text' | 'list', cells: readonly (string | readonly string[])[]): Figure => ({
  name: 'one',
  title: 'One',
  about: '',
  sql: 'select 1',
  parameters: [0, 1],
  columns: [
    { name: 'who', type },
    { name: 'n', type: 'number' },
  ],
  rows: cells.map((cell, at) => [cell, at]),
  truncated: false,
})

/** RFC 4180, as whoever wrote a reader from it would. */
function read(text: string): string[][] {
  const lines: string[][] = []
  let line: string[] = []
  let at = 0
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        if (text[at] === '"') at += 1
        field += text[at]
      }
      at += 1
    } else while (at < text.length && text[at] !== ',' && text[at] !== '\r') field += text[at++]
    line.push(field)
    if (text[at] === ',') at += 1
    else {
      expect(text.slice(at, at + 2)).toBe('\r\n')
      at += 2
      lines.push(line)
      line = []
    }
  }
  return lines
}

const CHARACTERS = [
  '=',
  '+',
  '-',
  '@',
  "'",
  ',',
  ';',
  '"',
  '\t',
  '\r',
  '\n',
  ' ',
  '1',
  'a',
  '＝',
  '\u200b',
  '\ufeff',
]

test('whatever others wrote, a row stays a row and a text a text', () => {
  const texts = fc.array(fc.string({ unit: fc.constantFrom(...CHARACTERS) }))
  fc.assert(
    fc.property(texts, (all) => {
      const [head, ...lines] = read(csv(figure('text', all)))
      expect(head).toEqual(['who', 'n'])
      expect(lines.map(([field]) => field?.replace(/^'/, ''))).toEqual(
        all.map((text) => text.replace(/^'/, '')),
      )
      expect(lines.map(([, n]) => n)).toEqual(all.map((_, at) => String(at)))
      for (const [field = ''] of lines) {
        expect(field).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
        expect(field.replaceAll(/[\s\u200b]/g, '')).not.toMatch(/^[=+\-@＝＋－＠]/)
      }
    }),
  )
})

test('formulas get an apostrophe before them, and nothing else does', () => {
  const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '\u200b=1', '\ufeff=1', '＝1']
  const lines = read(csv(figure('text', [...formulas, 'a=1', '', '1-2'])))
  expect(lines.slice(1).map(([field]) => field)).toEqual([
    ...formulas.map((text) => `'${text}`),
    'a=1',
    '',
    '1-2',
  ])
  expect(read(csv(figure('list', [['=1', 'b"c']])))[1]).toEqual([String.raw`["=1","b\"c"]`, '0'])
})

test('times are ISO 8601 in UTC, and what is absent is empty', () => {
  const files = reportFiles(exampleReport('agent'))
  expect(files.get('gaps.csv')).toBe(
    'enforcement_point,since_utc,until_utc,silent_ms,ended_in_order\r\n' +
      'agent,2026-11-04T00:00:00.000Z,2026-11-05T00:00:00.000Z,86400000,false\r\n' +
      'agent,2026-11-06T00:00:00.000Z,,2160000000,true\r\n',
  )
})

test('a file says of which time and log the others are, and which are not whole', () => {
  const [head, ...lines] = read(reportFiles(exampleReport('agent')).get('figures.csv') ?? '')
  expect(head?.slice(0, 4)).toEqual(['figure', 'title', 'rows', 'truncated'])
  expect(lines.find(([name]) => name === 'denials')).toEqual([
    'denials',
    'Title of denials',
    '2',
    'true',
    '2026-11-01T00:00:00.000Z',
    '2026-12-01T00:00:00.000Z',
    '1234',
    '2026-12-02T00:00:00.000Z',
  ])
  expect(lines.filter(([, , , truncated]) => truncated === 'true')).toHaveLength(1)
})

test('the queries hold none of the texts', () => {
  const queries = reportFiles(exampleReport("'; drop table x; --")).get('queries.sql')
  expect(queries).not.toContain('drop table')
  expect(queries).toContain('prepare denials(bigint, bigint) as\nselect v.idx')
  expect(queries).toContain('execute denials(1793491200000, 1796083200000);')
})
