import { z } from 'zod'
import type { Operation } from './operations.ts'

/** The API to be read: one page without scripts or anything from elsewhere. */
export function page(operations: readonly Operation[]): string {
  const groups = Map.groupBy(operations, ({ tag }) => tag)
  const nav = [...groups.keys()].map((tag) => `<a href="#${text(tag)}">${text(tag)}</a>`).join(' ')
  const sections = [...groups].map(
    ([tag, list]) =>
      `<section id="${text(tag)}"><h2>${text(tag)}</h2>${list.map(operation).join('')}</section>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Countersign decision service</title><style>${STYLE}</style></head>
<body><header><h1>Countersign decision service</h1><p>${nav}</p>
<p>Also as <a href="/openapi.json">OpenAPI 3.1</a>. Send tokens as <code>Authorization: Bearer …</code>.</p></header>
${sections.join('\n')}
</body></html>
`
}

const CALLERS = {
  pep: 'an enforcement point',
  client: 'a client or enforcement point',
  person: 'a person',
} as const

function operation({ method, path, summary, caller, query = {}, body, answer }: Operation): string {
  const parameters = Object.entries(query).map(
    ([name, description]) => `<li><code>?${text(name)}</code> ${text(description)}</li>`,
  )
  const parts = [
    `<p>${text(summary)}${caller ? ` <small>By ${CALLERS[caller]}.</small>` : ''}</p>`,
    parameters.length > 0 ? `<ul>${parameters.join('')}</ul>` : '',
    `<pre>${text(example(method, path, caller !== undefined, body !== undefined))}</pre>`,
    body ? schema('Body', body, 'input') : '',
    answer ? schema('Answer', answer, 'output') : '',
  ]
  return `<details><summary><b class="${method}">${method.toUpperCase()}</b> <code>${text(path)}</code></summary>${parts.join('')}</details>`
}

function example(method: string, path: string, token: boolean, body: boolean): string {
  const lines = [
    `curl ${method === 'get' ? '' : `--request ${method.toUpperCase()} `}http://127.0.0.1:8181${path}`,
    ...(token ? ['--header "Authorization: Bearer $TOKEN"'] : []),
    ...(body ? ['--header "Content-Type: application/json"', '--data @body.json'] : []),
  ]
  return lines.join(' \\\n  ')
}

function schema(title: string, type: z.ZodType, io: 'input' | 'output'): string {
  const { $schema: _, ...json } = z.toJSONSchema(type, { io, unrepresentable: 'any' })
  if (Object.keys(json).length === 0) return ''
  return `<details><summary>${title}</summary><pre>${text(JSON.stringify(json, null, 2))}</pre></details>`
}

const text = (raw: string): string => raw.replace(/[&<>"']/g, (mark) => `&#${mark.charCodeAt(0)};`)

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2rem;border-bottom:1px solid #8886}
nav a,header a{margin-right:.6rem}
details{margin:.3rem 0;padding:.2rem .6rem;border-left:3px solid #8884}
summary{cursor:pointer}code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow-x:auto;padding:.6rem;background:#8881;border-radius:4px}
b{display:inline-block;min-width:4.2rem}.get{color:#0a7d4b}.post{color:#1f6feb}.put,.patch{color:#9a6700}.delete{color:#cf222e}
@media(prefers-color-scheme:dark){.get{color:#3fb950}.post{color:#79c0ff}.put,.patch{color:#d29922}.delete{color:#ff7b72}}`
