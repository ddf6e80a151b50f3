import { createHash } from 'node:crypto'

/** The development issuer's pages: no script, one style, readable in light and dark, without any other file. */

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:34rem;margin:3rem auto;padding:0 1rem}h1{font-size:1.4rem}
code{font-size:1.3em;letter-spacing:.05em}label{display:block;margin-top:1rem}
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}
button{font:inherit;padding:.5rem 1rem;margin:1.2rem .5rem 0 0}
.problem{border-left:4px solid #c62828;padding-left:.75rem}footer{margin-top:3rem;opacity:.7;font-size:.85rem}`

const styleHash = createHash('sha256').update(style).digest('base64')

/** Headers of every answer of the issuer. `same-origin`: with `no-referrer`, browsers send `Origin: null` with forms. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as HTML, in content and in quoted attributes. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (char) => entities[char] ?? '')

export function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)} – Countersign development issuer</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1>
${content}
<footer>Countersign’s development issuer, on this machine only. Not for production.</footer></body></html>`
}

const problemHtml = (problem: string | undefined): string =>
  problem === undefined ? '' : `<p class="problem" role="alert">${escapeHtml(problem)}</p>`

/** Asks for the code that the terminal shows. */
export const codePage = (xsrf: string, code: string, problem?: string): string =>
  page(
    'Log in on this machine',
    `${problemHtml(problem)}<p>Go on only when your own terminal shows this code.</p>
<form method="post" action="/device"><input type="hidden" name="xsrf" value="${escapeHtml(xsrf)}">
<input type="hidden" name="confirm" value="yes">
<label>Code <input name="user_code" value="${escapeHtml(code)}" required autocomplete="off" spellcheck="false"></label>
<button>Continue</button></form>`,
  )

export type SignInView = {
  readonly action: string
  readonly csrf: string
  readonly code: string
  readonly client: string
  /** What the login is good for, as a sentence. */
  readonly purpose: string
  readonly name: string
  readonly problem?: string | undefined
}

/** Asks who is there, and for the secret of the operator's terminal. */
export const signInPage = (view: SignInView): string =>
  page(
    'Who is there?',
    `${problemHtml(view.problem)}<p><strong>${escapeHtml(view.client)}</strong> asks with the code
<code>${escapeHtml(view.code)}</code>. ${escapeHtml(view.purpose)}</p>
<p>Whoever started this login gets what you give here: cancel when your own terminal does not show the code.</p>
<form method="post" action="${escapeHtml(view.action)}"><input type="hidden" name="csrf" value="${escapeHtml(view.csrf)}">
<label>Your name <input name="name" value="${escapeHtml(view.name)}" required maxlength="64" autocomplete="username" spellcheck="false"></label>
<label>Operator secret, as <code>start</code> printed it <input type="password" name="secret" required autocomplete="off"></label>
<button name="answer" value="log in">Log in</button><button name="answer" value="cancel" formnovalidate>Cancel</button></form>`,
  )

export const donePage = (): string =>
  page('Logged in', '<p>Go back to your terminal; this page can be closed.</p>')

export const problemPage = (message: string): string =>
  page('That did not work', `${problemHtml(message)}<p>Start again from your terminal.</p>`)
