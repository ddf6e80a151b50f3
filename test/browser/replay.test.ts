import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { buildPageData } from '../../scripts/replay/build-page-data.ts'
import { momentsOf } from '../../scripts/replay/model.ts'
import { replayPage } from '../../scripts/replay/page.ts'
import { readStep } from '../../scripts/replay/step.ts'
import { each, exampleSession, type Fill, SESSION } from '../../scripts/replay/testing.ts'
import { hostileTexts } from './hostile-texts.ts'
import { browserFor, noBrowser } from './watched-page.ts'

const { watched, write } = browserFor('the replay page in a browser')

async function sessionPage(fill?: Fill, masked = false): Promise<string> {
  const steps = exampleSession(fill).map((step) => readStep(JSON.parse(JSON.stringify(step))))
  const data = await buildPageData(SESSION, masked, momentsOf(each(steps)), Date.UTC(2026, 2, 5))
  return replayPage(data)
}

const owned = (page: Page): Promise<boolean> =>
  page.evaluate(() => Reflect.get(globalThis, 'owned') !== undefined)

describe.skipIf(noBrowser)('the replay page', () => {
  test('runs nothing, loads nothing and breaks nowhere, whatever others wrote', async () => {
    const page = await watched()
    const places = new Set<string>()
    for (const [name, text] of hostileTexts) {
      const fill: Fill = (place) => {
        places.add(place)
        return text
      }
      await page.goto(await write(await sessionPage(fill)))
      await page.locator('article').first().waitFor()
      // Everything that makes text anew: steps, search, what is folded.
      await page.keyboard.press('Home')
      for (let n = 0; n < 3; n++) await page.keyboard.press('ArrowRight')
      await page.keyboard.press('End')
      await page.evaluate(() => {
        for (const one of document.querySelectorAll('details')) one.open = true
      })
      await page.locator('input[type=search]').fill(text.slice(0, 20))
      await page.waitForTimeout(180)
      expect(page.bad, name).toEqual([])
      expect(await owned(page), name).toBe(false)
      expect(await page.locator('article').count(), name).toBe(9)
      // Nothing but what the page itself is made of.
      const tags = await page.evaluate(() =>
        [...new Set([...document.body.querySelectorAll('*')].map((one) => one.localName))].filter(
          (tag) =>
            [
              'img',
              'svg',
              'iframe',
              'object',
              'embed',
              'form',
              'video',
              'audio',
              'base',
              'link',
              'meta',
              'template',
              'math',
              'marquee',
            ].includes(tag),
        ),
      )
      expect(tags, name).toEqual([])
      expect(await page.locator('script').count(), name).toBe(2)
      const handlers = await page.evaluate(() =>
        [...document.querySelectorAll('*')].flatMap((one) =>
          one
            .getAttributeNames()
            .filter(
              (attribute) =>
                attribute.startsWith('on') ||
                (attribute === 'style' && one.closest('.timeline') === null),
            ),
        ),
      )
      expect(handlers, name).toEqual([])
    }
    expect(hostileTexts.length).toBeGreaterThanOrEqual(60)
    expect([...places].toSorted()).toEqual(
      [
        'JSON key',
        'JSON value',
        'SSE text',
        'SSE thinking',
        'approver',
        'detail key',
        'detector',
        'header',
        'http body',
        'http header',
        'label',
        'message',
        'model',
        'outcome reason',
        'path',
        'reason',
        'refused path',
        'reply body',
        'reply header',
        'system',
        'tool description',
        'tool input',
        'tool name',
        'tool result',
        'unmask reason',
        'unreadable',
      ].toSorted(),
    )
    await page.close()
  }, 240_000)

  test('shows what others wrote as it is, with what would hide or turn it written out', async () => {
    const page = await watched()
    const text = '<b>x</b> &amp; \u202egnp.exe\u202c </script>'
    await page.goto(
      await write(await sessionPage((place, usual) => (place === 'SSE text' ? text : usual))),
    )
    const shown = await page.locator('#step-103 .received .part.text .text').textContent()
    expect(shown).toBe('<b>x</b> &amp; U+202Egnp.exeU+202C </script>')
    await page.close()
  })

  test('the texts do run on a page that is careless, so the test would see it', async () => {
    const page = await watched()
    const ran: string[] = []
    for (const [name, text] of hostileTexts) {
      page.bad.length = 0
      await page.goto(await write(`<!doctype html><meta charset=utf-8><div title="">${text}</div>`))
      await page.waitForTimeout(60)
      const isOwned = await owned(page).catch(() => true)
      if (isOwned || page.bad.length > 0) ran.push(name)
    }
    expect(ran.length).toBeGreaterThan(35)
    await page.close()
  }, 120_000)

  test('its policy stops scripts, markup and connections, should its own care fail', async () => {
    const page = await watched()
    await page.goto(await write(await sessionPage()))
    const failed: (string | undefined)[] = []
    page.on('requestfailed', (request) => failed.push(request.failure()?.errorText))
    const tries = await page.evaluate(() => {
      const tried = (act: () => void): string => {
        try {
          act()
          return 'done'
        } catch (error) {
          return error instanceof TypeError ? 'refused' : String(error)
        }
      }
      return [
        tried(() => (document.body.innerHTML = '<img src=x onerror="window.owned=1">')),
        tried(() => {
          const script = document.createElement('script')
          script.textContent = 'window.owned=1'
          document.body.append(script)
        }),
        tried(() => document.body.setAttribute('onclick', 'window.owned=1')),
        tried(() => {
          const image = document.createElement('img')
          image.src = 'http://127.0.0.1:9/x'
          document.body.append(image)
        }),
      ]
    })
    const fetched = await page.evaluate(() =>
      fetch('http://127.0.0.1:9/').then(
        () => 'done',
        () => 'refused',
      ),
    )
    expect(tries.slice(0, 2)).toEqual(['refused', 'refused'])
    expect(fetched).toBe('refused')
    await page.evaluate(() => document.body.click())
    await page.waitForTimeout(100)
    expect(await owned(page)).toBe(false)
    // The image and the connection were stopped before they were requests.
    expect(page.bad.filter((one) => one.includes('violation img-src'))).toHaveLength(1)
    expect(page.bad.filter((one) => one.includes('violation connect-src'))).toHaveLength(1)
    expect(failed).toEqual(['csp'])
    await page.close()
  })

  test('plays a stream as it streamed, and step by step', async () => {
    const page = await watched()
    await page.goto(await write(await sessionPage()))
    const reply = page.locator('#step-103 .delivered .part.text .text').first()
    const whole = (await reply.textContent()) ?? ''
    expect(whole).toContain('[REDACTED:email]')
    expect(await page.locator('#step-103 .received del').allTextContents()).toEqual([
      'ada.lovelace@example.com',
      '+44 20 7946 0958',
    ])
    await page.keyboard.press('Home')
    expect(await page.locator('article:visible').count()).toBe(0)
    await page.keyboard.press(' ')
    await page.waitForFunction(
      (length) => {
        const text =
          document.querySelector('#step-103 .delivered .part.text .text')?.textContent ?? ''
        return text.length > 0 && text.length < length
      },
      whole.length,
      { polling: 20 },
    )
    await page.keyboard.press(' ')
    const part = (await reply.textContent()) ?? ''
    expect(whole.startsWith(part)).toBe(true)
    await page.waitForTimeout(150)
    expect(await reply.textContent()).toBe(part) // paused
    await page.keyboard.press('ArrowRight')
    expect(await page.locator('.said').textContent()).toMatch(/^\d+ of \d+: /)
    expect(new URL(page.url()).hash).toMatch(/^#step-\d+$/)
    await page.keyboard.press('End')
    expect(await reply.textContent()).toBe(whole)
    expect(page.bad).toEqual([])
    await page.close()
  })

  test('every step is reached by stepping, and by its link', async () => {
    const page = await watched()
    const address = await write(await sessionPage())
    await page.goto(address)
    await page.keyboard.press('Home')
    const seen: string[] = []
    for (let n = 0; n < 60; n++) {
      await page.keyboard.press('ArrowRight')
      seen.push((await page.locator('.said').textContent()) ?? '')
    }
    const [, all = '0'] = /of (\d+)/.exec(seen[0] ?? '') ?? []
    expect(new Set(seen).size).toBe(Number(all))
    for (const { index, leaf } of exampleSession()) {
      await page.goto(`${address}#step-${index}`)
      await page.reload()
      const here = page.locator('.here')
      expect(await here.count(), `${index} ${String(leaf['kind'])}`).toBe(1)
      expect(await here.isVisible()).toBe(true)
    }
    expect(page.bad).toEqual([])
    await page.close()
  })

  test('finds text, opens what is folded for it, and goes from match to match by keys', async () => {
    const page = await watched()
    await page.goto(await write(await sessionPage()))
    await page.keyboard.press('/')
    await page.keyboard.type('rm -FR')
    await page.locator('mark.current').waitFor()
    expect(await page.locator('mark.hit').allTextContents()).toEqual(['rm -fr', 'rm -fr'])
    await page.keyboard.press('Enter')
    expect(await page.locator('.count').textContent()).toBe('2 of 2')
    await page.keyboard.press('Escape')
    await page.waitForTimeout(200)
    expect(await page.locator('mark.hit').count()).toBe(0)
    await page.keyboard.press('/')
    await page.keyboard.type('Runs a command')
    await page.locator('mark.current').waitFor()
    expect(await page.locator('mark.current').isVisible()).toBe(true)
    expect(page.bad).toEqual([])
    await page.close()
  })

  test('says no more than the record shows', async () => {
    const page = await watched()
    await page.goto(await write(await sessionPage(undefined, true)))
    const text = (await page.locator('#app').textContent()) ?? ''
    expect(text).toContain('Values are masked in this copy')
    expect(text).not.toContain('Exactly')
    expect(text).toContain('12 bytes of what was delivered are not on record')
    expect(text).toContain('its key was deleted on 2026-03-05')
    await page.close()
  })

  test('can be used without a pointer and without sight of it', async () => {
    const page = await watched()
    await page.goto(await write(await sessionPage()))
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, input, select, nav, a')]
        .filter((one) => (one.getAttribute('aria-label') ?? one.textContent).trim() === '')
        .map((one) => one.outerHTML),
    )
    expect(unnamed).toEqual([])
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('To what happened')
    expect(await page.locator('h1').count()).toBe(1)
    expect(await page.locator('main').count()).toBe(1)
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('en')
    // Nothing is cut off at the side, also on a phone.
    await page.setViewportSize({ width: 360, height: 740 })
    const { wide, room } = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth,
      room: document.documentElement.clientWidth,
    }))
    expect(wide).toBeLessThanOrEqual(room)
    await page.close()
  })

  test('a page that was damaged says so', async () => {
    const page = await watched()
    const html = await sessionPage()
    await page.goto(await write(html.replace('"operations":[', '"operations":[[')))
    expect(await page.locator('[role=alert]').textContent()).toContain('This page is damaged')
    await page.close()
  })
})
