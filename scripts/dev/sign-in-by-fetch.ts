/** One person at the issuer's pages, as a browser would send their forms; for the demo and for tests. */

export type Person = {
  readonly name: string
  readonly secret: string
  readonly answer?: 'log in' | 'cancel'
}

export type PageAnswer = { readonly status: number; readonly url: string; readonly html: string }

/** Keeps cookies by name and path, follows redirects, sends forms. One jar is one browser. */
export function createBrowser() {
  const jar = new Map<string, { readonly path: string; readonly value: string }>()

  async function request(url: string, form?: URLSearchParams): Promise<PageAnswer> {
    const { origin, pathname } = new URL(url)
    const cookie = [...jar]
      .filter(([, { path }]) => pathname.startsWith(path))
      .map(([key, { value }]) => `${key.split('|')[0]}=${value}`)
      .join('; ')
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      headers: { accept: 'text/html', ...(cookie && { cookie }), ...(form && { origin }) },
      ...(form && { body: form }),
    })
    for (const line of response.headers.getSetCookie()) keep(line)
    const location = response.headers.get('location')
    if (location !== null) return request(new URL(location, url).href)
    return { status: response.status, url, html: await response.text() }
  }

  function keep(line: string): void {
    const [pair = '', ...attributes] = line.split(/;\s*/)
    const at = pair.indexOf('=')
    const path = attributes.find((text) => /^path=/i.test(text))?.slice(5) ?? '/'
    const key = `${pair.slice(0, at)}|${path}`
    const gone = /expires=Thu, 01 Jan 1970/i.test(line)
    if (gone) jar.delete(key)
    else jar.set(key, { path, value: pair.slice(at + 1) })
  }

  /** Sends the one form of a page with its hidden fields. */
  function submit(page: PageAnswer, fields: Readonly<Record<string, string>>): Promise<PageAnswer> {
    const action = /<form method="post" action="([^"]*)"/.exec(page.html)?.[1]
    if (action === undefined) throw new Error(`no form on ${page.url}: ${page.html.slice(0, 400)}`)
    const form = new URLSearchParams()
    for (const [, name = '', value = ''] of page.html.matchAll(
      /<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"/g,
    )) {
      form.set(name, value)
    }
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    return request(new URL(action, page.url).href, form)
  }

  return { open: (url: string) => request(url), submit }
}

/**
 * Goes through a device login at the development issuer's pages.
 * @param address `verification_uri_complete` of the device authorization.
 * @returns the last page; the login is done when its status is 200 and it says so.
 */
export async function signIn(
  address: string,
  { name, secret, answer = 'log in' }: Person,
  browser = createBrowser(),
): Promise<PageAnswer> {
  const asked = await browser.submit(await browser.open(address), {})
  return browser.submit(asked, { name, secret, answer })
}
