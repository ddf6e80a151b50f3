import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { PageData } from './page-data.ts'

/**
 * A session as one HTML page that needs nothing else. What agents and upstreams wrote is in it only as JSON in a block
 * that no browser runs, and gets onto the page only as text. The policy in the page allows one script and one style
 * sheet, by their hashes, and no connection to anywhere.
 */

const folder = join(import.meta.dirname, 'page')
/** Modules of the page's script; each uses only those before it. */
const modules = [
  'dom',
  'time',
  'spots',
  'panels',
  'article',
  'timeline',
  'player',
  'search',
  'main',
]

export function replayPage(data: PageData): string {
  const script = pageScript()
  const style = readFileSync(join(folder, 'page.css'), 'utf8')
  const policy = [
    "default-src 'none'",
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    // Where a browser knows it, text cannot become markup or script at all.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Countersign replay</title>
<style>${style}</style>
<noscript><p>This page shows a recorded session and needs its own script for it.</p></noscript>
<div id="app"></div>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script type="module">${script}</script>
</html>
`
}

const hash = (text: string): string =>
  `sha256-${createHash('sha256').update(text).digest('base64')}`

/**
 * JSON in which nothing ends a script block, begins a comment or an entity, ends a line for JavaScript, or turns or
 * hides text for those who read the source.
 */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u007f-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff0-\uffff]|[\u{e0000}-\u{e0fff}]/gu,
    (char) =>
      Array.from(
        { length: char.length },
        (_, at) => String.raw`\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`,
      ).join(''),
  )
}

/**
 * The page's modules as one script: types are taken off, and so are imports from one another and `export`, since all
 * stand in the same scope.
 * @throws {Error} when something of that is left: such a page would not run.
 */
function pageScript(): string {
  const parts = modules.map((name) => {
    const source = readFileSync(join(folder, `${name}.ts`), 'utf8')
    return withoutTypes(source)
      .replaceAll(/^import\s[^;]*?from '\.\/[a-z-]+\.ts'$/gm, '')
      .replaceAll(/^export (?=const|function|let|class)/gm, '')
      .replaceAll(/[ \t]+$/gm, '')
      .replaceAll(/\n{3,}/g, '\n\n')
  })
  const script = parts.join('\n')
  if (/^(?:import|export)\b/m.test(script) || script.includes('</script'))
    throw new Error('the script of the replay page does not fit into a page')
  return script
}

/** Node says each time that its own way to run TypeScript is experimental; whoever writes a page need not hear it. */
function withoutTypes(source: string): string {
  const warn = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = warn
  }
}
