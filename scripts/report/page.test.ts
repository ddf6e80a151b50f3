import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { exampleReport } from './testing.ts'
import { reportPage } from './page.ts'

/** Tags of a page, with their attributes. */
const tags = (page: string): string[] => [...page.matchAll(/<[^>]*>/g)].map(([tag]) => tag)

describe('what others wrote is text on the page', () => {
  test.each([
    ['markup', '<script>alert(1)</script><img src=x onerror=alert(1)>'],
    ['an end of what it stands in', `"'></title></style></td></pre></text><b>`],
    ['an entity', '&lt;b&gt;&#0;'],
  ])('%s', (_, text) => {
    const [page, plain] = [reportPage(exampleReport(text)), reportPage(exampleReport('plain'))]
    expect(tags(page)).toEqual(tags(plain))
    const escaped = text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;')
    expect(page).not.toContain(text)
    // A cell, and a list's items.
    expect(page).toContain(`<bdi>${escaped}</bdi>`)
    expect(page).toContain(`<li><bdi>${escaped}</bdi></li>`)
  })

  test('characters that turn, hide or break text are written out', () => {
    const page = reportPage(exampleReport('a\u202eb\u200bc\nd\u0000'))
    expect(page).toContain(String.raw`a\u{202e}b\u{200b}c\nd\u{0}`)
    expect(page).not.toMatch(/[\u202e\u200b\0]/)
  })
})

test('nothing is loaded, and the policy allows the style by its hash alone', () => {
  const page = reportPage(exampleReport('plain'))
  const style = /<style>([^]*?)<\/style>/.exec(page)?.[1] ?? ''
  const digest = createHash('sha256').update(style).digest('base64')
  expect(page).toContain(
    `default-src 'none'; style-src 'sha256-${digest}'`.replaceAll("'", '&#39;'),
  )
  expect(page).not.toMatch(/<script|<link|<img|<iframe|\ssrc=|\sstyle=|url\(|@import|https?:/)
})

test('a figure that was cut says so, also where not one row is shown', () => {
  const report = exampleReport('plain')
  const page = reportPage(report)
  expect(page).toContain('There are more rows than the 2 shown')
  expect(page).toContain('None in this period.')
  const cut = report.sections.map((section) => ({
    ...section,
    figures: section.figures.map((figure) => ({ ...figure, rows: [], truncated: true })),
  }))
  const empty = reportPage({ ...report, sections: cut })
  expect(empty).not.toContain('None in this period.')
  expect(empty.match(/There are more rows than the 0 shown/g)).toHaveLength(7)
})

test('sums of the summary are of the days, whatever was cut of the lists', () => {
  const page = reportPage(exampleReport('plain')).replaceAll(/\s+/g, ' ')
  expect(page).toMatch(/<a href="#accesses" ?><b ?>1,027<\/b ?> operations/)
  expect(page).toMatch(/<a href="#denials" ?><b ?>5<\/b ?> denied by policy/)
})

test('queries stand at their figure and again in the appendix, as they were run', () => {
  const page = reportPage(exampleReport('plain'))
  expect(page.split('where v.time_ms &gt;= $1::bigint and &#39;&lt;&#39;').length).toBe(1 + 2 * 7)
})
