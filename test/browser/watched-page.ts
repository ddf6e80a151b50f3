import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'

const CHROMIUM = '/usr/bin/chromium'
const required = process.env['COUNTERSIGN_BROWSER_REQUIRED'] === '1'

/** Whether there is no browser here, and none is asked for: CI asks for one, so there its tests fail instead. */
export const noBrowser = !existsSync(CHROMIUM) && !required

export type Watched = Page & {
  /** What it did that no page of ours may do. */
  readonly bad: string[]
}

/** A browser for the tests of a file, and a folder for the pages it opens. @param what is not tested without one. */
export function browserFor(what: string): {
  /** @returns the address of a page with this text. */
  readonly write: (html: string) => Promise<string>
  readonly watched: () => Promise<Watched>
} {
  if (noBrowser)
    console.log(`skipped: ${what}, since ${CHROMIUM} is not there (apt-get install chromium)`)
  let browser: Browser
  let folder: string

  beforeAll(async () => {
    if (noBrowser) return
    folder = await mkdtemp(join(tmpdir(), 'countersign-browser-'))
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    })
  })
  afterAll(async () => {
    await browser?.close()
    if (folder !== undefined) await rm(folder, { recursive: true })
  })

  return {
    async write(html) {
      const file = join(folder, 'page.html')
      await writeFile(file, html)
      return pathToFileURL(file).href
    },
    async watched() {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
      const bad: string[] = []
      page.on('dialog', (dialog) => {
        bad.push(`dialog ${dialog.message()}`)
        void dialog.dismiss()
      })
      page.on('pageerror', (error) => bad.push(`error ${error.message}`))
      page.on('console', (message) => bad.push(`console ${message.text()}`))
      page.on('popup', () => bad.push('popup'))
      page.on('request', (request) => {
        if (!request.url().startsWith(pathToFileURL(folder).href))
          bad.push(`request ${request.url()}`)
      })
      page.on('framenavigated', (frame) => {
        if (frame !== page.mainFrame()) bad.push('frame')
      })
      await page.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', (event) => {
          console.log(`violation ${event.violatedDirective} ${event.blockedURI}`)
        })
      })
      return Object.assign(page, { bad })
    },
  }
}
