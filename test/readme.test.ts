import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

/** Rows of the fail-mode table: `what`, and the test file and title that show it. */
async function failModes(): Promise<{ what: string; file: string; title: string }[]> {
  const readme = await readFile('README.md', 'utf8')
  const section = readme.split('## When something fails')[1]?.split('\n## ')[0] ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(2).map((row) => {
    const cells = row.split(' | ')
    const shown = /`([^`]+)` "(.+)" \|$/.exec(cells.at(-1) ?? '')
    return { what: cells[0] ?? '', file: shown?.[1] ?? '', title: shown?.[2] ?? '' }
  })
}

test('every row of the fail-mode table names a test that exists', async () => {
  const rows = await failModes()
  expect(rows.length).toBeGreaterThan(20)
  for (const { what, file, title } of rows) {
    const source = await readFile(file, 'utf8').catch(() => `${what} names no test file`)
    expect(source).toContain(title)
  }
})
