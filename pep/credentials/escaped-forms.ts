/**
 * A secret as JSON and HTML writers put it down that escape more than they must. Masks know other encodings by
 * themselves; a body of which nothing but the credential is looked for is not decoded, so its escapes have to be known.
 */

const json = (hex: (unit: string) => string) => (unit: string) => `\\u${hex(unit).padStart(4, '0')}`
const lower = (unit: string): string => unit.charCodeAt(0).toString(16)
const upper = (unit: string): string => lower(unit).toUpperCase()
const named: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
}
const entity = (numeric: (unit: string) => string) => (unit: string) => named[unit] ?? numeric(unit)
const decimal = (unit: string): string => `&#${unit.charCodeAt(0)};`
const hexadecimal = (unit: string): string => `&#x${upper(unit)};`

/** What is escaped, how, and whether it stands in a JSON string, where `"` and `\` are escaped in any case. */
const writers: readonly (readonly [RegExp, (unit: string) => string, 'json' | 'html'])[] = [
  [/[&<>]/g, json(lower), 'json'], // Go, Rails
  [/[&<>']/g, json(lower), 'json'], // Newtonsoft.Json
  [/[&<>'=]/g, json(lower), 'json'], // Gson
  [/[&<>'"]/g, json(upper), 'json'], // PHP, JSON_HEX_*
  [/[&<>'"+`]/g, json(upper), 'json'], // System.Text.Json
  [/[&<>]/g, entity(decimal), 'html'],
  [/[&<>"]/g, entity(decimal), 'html'],
  [/[&<>"']/g, entity(decimal), 'html'], // PHP, Jinja, lodash
  [/[&<>"']/g, (unit) => (unit === "'" ? '&#x27;' : (named[unit] ?? unit)), 'html'], // Python, Django
  [/[&<>"'+]/g, (unit) => (unit === '"' ? '&#34;' : entity(decimal)(unit)), 'html'], // Go html/template
  [/[&<>"'`=/]/g, (unit) => (unit === "'" ? '&#39;' : entity(hexadecimal)(unit)), 'html'], // Mustache, Handlebars
  [/[&<>"'`=]/g, (unit) => entity(hexadecimal)(unit), 'html'],
]

/** @returns the secret and its escaped forms, each once. Most secrets hold nothing that is escaped: then it stands alone. */
export function escapedForms(secret: string): string[] {
  const forms = writers.map(([what, escape, where]) => {
    if (where === 'html') return secret.replace(what, escape)
    // What the writer leaves to JSON is escaped as JSON does.
    const rest = (unit: string): string => (/["\\]/.test(unit) ? `\\${unit}` : unit)
    const escaped = new Set(secret.match(what))
    return Array.from(secret, (unit) => (escaped.has(unit) ? escape(unit) : rest(unit))).join('')
  })
  return [...new Set([secret, ...forms])]
}
