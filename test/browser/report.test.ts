import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { reportPage } from '../../scripts/report/page.ts'
import { exampleReport } from '../../scripts/report/testing.ts'
import { hostileTexts } from './hostile-texts.ts'
import { browserFor, noBrowser } from './watched-page.ts'

const { watched, write: writePage } = browserFor('the report in a browser')

const write = (text: string): Promise<string> => writePage(reportPage(exampleReport(text)))

/** Names of all elements in order, without what lists hold. */
const elements = (page: Page): Promise<string> =>
  page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .map((one) => `${one.localName} ${one.getAttributeNames().join(' ')}`)
      .join('\n'),
  )

const colours = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    const { backgroundColor, color } = getComputedStyle(document.body)
    return [backgroundColor, color]
  })

describe.skipIf(noBrowser)('the page of a report', () => {
  test('runs nothing, loads nothing and keeps its shape, whatever others wrote', async () => {
    const page = await watched()
    await page.goto(await write('plain'))
    const shape = await elements(page)
    for (const [name, text] of hostileTexts) {
      await page.goto(await write(text))
      await page.evaluate(() => {
        for (const one of document.querySelectorAll('details')) one.open = true
      })
      expect(page.bad, name).toEqual([])
      expect(await page.evaluate(() => Reflect.has(globalThis, 'owned')), name).toBe(false)
      expect((await elements(page)).replaceAll('details open', 'details '), name).toBe(shape)
    }
    expect(hostileTexts.length).toBeGreaterThanOrEqual(60)
    await page.close()
  })

  test('its style is applied, light and dark, and a narrow window does not scroll sideways', async () => {
    const page = await watched()
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(await write('a-name-that-has-no-place-to-break-'.repeat(8)))
    expect(await colours(page)).toEqual(['rgb(246, 246, 243)', 'rgb(28, 29, 32)'])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await colours(page)).toEqual(['rgb(20, 22, 26)', 'rgb(228, 230, 234)'])
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 })
      const wide = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(wide).toBeLessThanOrEqual(width)
    }
    expect(page.bad).toEqual([])
    await page.close()
  })

  test('on paper the queries are an appendix, and colours are those of paper', async () => {
    const page = await watched()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.goto(await write('plain'))
    expect(await page.locator('.appendix').isVisible()).toBe(false)
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(await page.locator('.appendix').isVisible()).toBe(true)
    expect(await page.locator('article details:visible').count()).toBe(0)
    const [background] = await colours(page)
    expect(['rgb(255, 255, 255)', 'rgba(0, 0, 0, 0)']).toContain(background)
    expect(
      await page
        .locator('thead')
        .first()
        .evaluate((one) => getComputedStyle(one).display),
    ).toBe('table-header-group')
    const pdf = await page.pdf({ preferCSSPageSize: true })
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-')
    expect(page.bad).toEqual([])
    await page.close()
  })
})
