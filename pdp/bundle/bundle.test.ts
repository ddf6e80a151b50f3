import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readArchive, writeArchive } from './archive.ts'
import { loadPolicy, openBundle as openBundleNamed } from '../policy/load.ts'
import { BundleError } from './errors.ts'

const committed = readFileSync('bundles/default.tar.gz')
const files = readArchive(committed, 64 * 1024 * 1024)
const openBundle = (bytes: Uint8Array) => openBundleNamed('test', bytes)
const ENTRYPOINT = 'countersign/decision/decision'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-bundle-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The committed bundle with files changed, or left out with `undefined`. */
function changed(changes: Readonly<Record<string, string | Uint8Array | undefined>>): Uint8Array {
  const all = new Map(files)
  for (const [path, content] of Object.entries(changes)) {
    if (content === undefined) all.delete(path)
    else all.set(path, Buffer.from(content))
  }
  return writeArchive(all)
}

function deepRoots(): Record<string, string> {
  const manifest = JSON.parse(Buffer.from(files.get('.manifest')!).toString()) as object
  const depth = 20_000
  return {
    '.manifest': JSON.stringify({ ...manifest, roots: ['a/'.repeat(depth)] }),
    'data.json': `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
  }
}

/** Why a bundle is refused; it must never throw. */
async function refusal(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'bundle.tar.gz')
  writeFileSync(path, bytes)
  const loaded = await loadPolicy(path, { entrypoints: [ENTRYPOINT] })
  return loaded.ok ? 'loaded' : `${loaded.error.code} ${loaded.error.message}`
}

test('the committed bundle loads, answers, and carries what explains it', async () => {
  const loaded = await loadPolicy('bundles/default.tar.gz', { entrypoints: [ENTRYPOINT] })
  if (!loaded.ok) throw loaded.error
  const { policy, bundle } = loaded.value
  const { profile } = policy
  expect(policy.evaluate(ENTRYPOINT, {})).toMatchObject({ ok: true, value: { effect: 'deny' } })
  expect(profile.inspect_bodies).toContain('claude')
  expect([...bundle.modules.keys()]).toContain('countersign/decision.rego')
  expect(bundle.digest).toMatch(/^[0-9a-f]{64}$/)
})

test('a bundle that is cut off at any byte is refused', () => {
  const steps = [
    ...Array(64).keys(),
    ...Array.from({ length: 60 }, (_, n) => Math.floor((committed.length * n) / 60)),
  ]
  for (const at of steps)
    expect(() => openBundle(committed.subarray(0, at)), `cut at ${at}`).toThrow(BundleError)
})

test('a bundle with any bit flipped is refused, or is the same bundle', () => {
  fc.assert(
    fc.property(fc.nat(committed.length * 8 - 1), (bit) => {
      const bytes = Buffer.from(committed)
      const at = bit >> 3
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7))
      try {
        expect(openBundle(bytes).revision).toBe(
          JSON.parse(Buffer.from(files.get('.manifest')!).toString()).revision,
        )
      } catch (error) {
        expect(error).toBeInstanceOf(BundleError)
      }
    }),
    { numRuns: 100 },
  )
})

describe('refused, with what is wrong', () => {
  test.each([
    ['no file', undefined, 'BUNDLE_READ'],
    ['nothing', Buffer.alloc(0), 'BUNDLE_ARCHIVE'],
    ['no archive', gzipSync('hello'), 'BUNDLE_ARCHIVE'],
    ['a bomb', gzipSync(Buffer.alloc(300 * 1024 * 1024)), 'BUNDLE_TOO_LARGE'],
    [
      'something behind its end',
      gzipSync(Buffer.concat([gunzipSync(committed), Buffer.from('x'.repeat(512))])),
      'BUNDLE_ARCHIVE',
    ],
    ['no manifest', changed({ '.manifest': undefined }), 'BUNDLE_MANIFEST'],
    ['a manifest that is no JSON', changed({ '.manifest': '{' }), 'BUNDLE_MANIFEST'],
    [
      'a manifest without a revision',
      changed({ '.manifest': '{"wasm":[{"entrypoint":"a","module":"/policy.wasm"}]}' }),
      'BUNDLE_MANIFEST',
    ],
    [
      'a self-test that does not hold',
      changed({
        'self-test.json': JSON.stringify([
          { description: 'x', entrypoint: ENTRYPOINT, input: {}, want: 1 },
        ]),
      }),
      'BUNDLE_SELF_TEST',
    ],
    ['an index of another shape', changed({ 'policy-index.json': '[]' }), 'BUNDLE_INDEX'],
    ['data that is a list', changed({ 'data.json': '[]' }), 'BUNDLE_DATA'],
    ['data outside of its roots', changed({ 'data.json': '{"other":1}' }), 'BUNDLE_DATA'],
    ['roots that are deeper than any data', changed(deepRoots()), 'BUNDLE_MANIFEST'],
    [
      'data that is nested deep',
      changed({ 'data.json': `{"countersign":{"deep":${'['.repeat(1e5)}${']'.repeat(1e5)}}}` }),
      'BUNDLE_POLICY',
    ],
    [
      'a profile with a key too many',
      changed({ 'extraction.json': '{"all":true}' }),
      'BUNDLE_PROFILE',
    ],
    ['no policy', changed({ 'policy.wasm': undefined }), 'BUNDLE_POLICY'],
    ['a policy that is none', changed({ 'policy.wasm': 'wasm' }), 'BUNDLE_POLICY'],
    [
      'half a policy',
      changed({ 'policy.wasm': files.get('policy.wasm')!.subarray(0, 5000) }),
      'BUNDLE_POLICY',
    ],
    ['data in a second place', changed({ 'a/data.json': '{}' }), 'BUNDLE_UNSUPPORTED'],
    ['a second module', changed({ 'a/policy.wasm': '' }), 'BUNDLE_UNSUPPORTED'],
    ['a patch', changed({ 'patch.json': '{}' }), 'BUNDLE_UNSUPPORTED'],
  ])('%s', async (_, bytes, code) => {
    if (bytes === undefined) {
      const loaded = await loadPolicy(join(folder, 'none.tar.gz'))
      expect(loaded).toMatchObject({ ok: false, error: { code } })
    } else expect(await refusal(bytes)).toContain(code)
  })

  test.each([
    ['../../etc/passwd', 'leads out'],
    ['a/../../b', 'leads out'],
    ['a\\b', 'plain name'],
  ])('a file called %s', async (name, why) => {
    const all = new Map(files)
    all.set(name, Buffer.from('x'))
    expect(await refusal(writeArchive(all))).toContain(why)
  })

  test('a file that is there twice', async () => {
    const tar = gunzipSync(committed)
    const size = Number.parseInt(tar.subarray(124, 135).toString(), 8)
    const first = tar.subarray(0, 512 + Math.ceil(size / 512) * 512)
    expect(await refusal(gzipSync(Buffer.concat([first, tar])))).toContain('twice')
  })

  test('a bundle without the entrypoint that is needed', async () => {
    const loaded = await loadPolicy('bundles/default.tar.gz', { entrypoints: ['another/one'] })
    expect(loaded).toMatchObject({ ok: false, error: { code: 'BUNDLE_POLICY' } })
  })
})
