import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium'

/**
 * Opens a page of the disk in a browser without a window, and takes pictures of it, light and dark.
 * @param pictures where to, without the end of the name.
 * @returns its text, and what it asked for or complained about.
 */
export async function openPage(
  file: string,
  pictures: string,
): Promise<{ readonly text: string; readonly bad: readonly string[] }> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-background-networking',
  ]
  const browser = await chromium.launch({ executablePath: CHROMIUM, args })
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } })
    const bad: string[] = []
    const { href } = pathToFileURL(file)
    page.on('pageerror', (error) => bad.push(error.message))
    page.on('console', (message) => bad.push(message.text()))
    page.on('dialog', (dialog) => {
      bad.push(`dialog ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(href)) bad.push(request.url())
    })
    await page.goto(href)
    const text = await page.locator('body').innerText()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: `${pictures}-${colorScheme}.png` })
    }
    return { text, bad }
  } finally {
    await browser.close()
  }
}
