import { expect, test } from 'vitest'
import { compileMask } from '../mask/mask.ts'
import { escapedForms } from './escaped-forms.ts'

/** No key that exists; it holds all that somebody escapes. */
const KEY = ['pk+live', '&"abc', "<>d'e", 'f`/=='].join('')
const keys = { hash: new Uint8Array(32), token: new Uint8Array(32) }

test.each([
  ['Go and Rails JSON', 'pk+live\\u0026\\"abc\\u003c\\u003ed\'ef`/=='],
  ['Gson', 'pk+live\\u0026\\"abc\\u003c\\u003ed\\u0027ef`/\\u003d\\u003d'],
  ['System.Text.Json', 'pk\\u002Blive\\u0026\\u0022abc\\u003C\\u003Ed\\u0027ef\\u0060/=='],
  ['HTML', 'pk+live&amp;&quot;abc&lt;&gt;d&#39;ef`/=='],
  ['Python’s HTML', 'pk+live&amp;&quot;abc&lt;&gt;d&#x27;ef`/=='],
  ['Go’s HTML', 'pk&#43;live&amp;&#34;abc&lt;&gt;d&#39;ef`/=='],
  ['Mustache', 'pk+live&amp;&quot;abc&lt;&gt;d&#39;ef&#x60;&#x2F;&#x3D;&#x3D;'],
])('a key that is echoed as %s writes it is redacted, at any split', (_name, written) => {
  const mask = compileMask([], { literals: escapedForms(KEY), keys })
  for (let at = 0; at <= written.length; at += 1) {
    const masker = mask.literalBytes()
    const parts = [Buffer.from(`a${written.slice(0, at)}`), Buffer.from(`${written.slice(at)}z`)]
    const out = Buffer.concat([...parts.map((part) => masker.push(part)), masker.end()])
    expect(out.toString()).toBe('a[REDACTED:credential]z')
  }
})

test('a key without anything to escape has one form', () => {
  expect(escapedForms('sk-0123456789_abc.DEF')).toEqual(['sk-0123456789_abc.DEF'])
})
