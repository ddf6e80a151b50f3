import { readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { readArchive, writeArchive } from '../../pdp/bundle/archive.ts'
import { activatePolicy, revisionOf } from '../../pdp/policy/activate.ts'
import { openBundle } from '../../pdp/policy/load.ts'
import type { RecordedPolicy } from './format.ts'
import { candidateIn, createPolicies } from './policies.ts'

let files: Map<string, Uint8Array>
beforeAll(async () => {
  const archive = await readFile('bundles/default.tar.gz')
  files = new Map(readArchive(archive, 64 * 1024 * 1024))
})

const CONFIG = 'c'.repeat(64)

/** Policies as they are recorded, under the revision that they have. */
function recorded(bundles: Readonly<Record<string, Uint8Array>>): RecordedPolicy {
  const contents = Object.entries(bundles).map(([name, bytes]) => openBundle(name, bytes))
  return {
    // Also what cannot be active has one.
    revision: revisionOf(contents, CONFIG),
    config_digest: CONFIG,
    bundles: Object.entries(bundles).map(([name, bytes]) => ({
      name,
      archive: Buffer.from(bytes).toString('base64'),
    })),
  }
}

const data = (root: string): Uint8Array =>
  writeArchive(
    new Map([
      ['.manifest', Buffer.from(JSON.stringify({ revision: root, roots: [root] }))],
      ['data.json', Buffer.from(JSON.stringify({ [root]: { a: 1 } }))],
    ]),
  )

test('a candidate takes the place of what it owns, and what else is live stays beside it', () => {
  const own = writeArchive(files)
  const live = recorded({ default: own, extra: data('extra') })
  const candidate = openBundle('rego', own)
  const { policy, beside } = candidateIn(candidate, live)
  expect(beside).toEqual(['extra'])
  expect(policy.bundles.map(({ name }) => name).sort()).toEqual(['extra', 'rego'])
  const alone = candidateIn(candidate, undefined)
  expect(alone.beside).toEqual([])
  // The live configuration is part of what it would be.
  const [extra, config_digest] = [openBundle('extra', data('extra')), CONFIG]
  const same = activatePolicy([extra, candidate], { config_digest, now: () => 0 })
  expect(policy.revision).toBe(same.revision)
})

test('a bundle that answers its own test otherwise than when it was built is a defect', () => {
  const cases = JSON.parse(Buffer.from(files.get('self-test.json')!).toString()) as {
    want: { effect: string }
  }[]
  cases[0]!.want.effect = cases[0]!.want.effect === 'deny' ? 'allow' : 'deny'
  const spoilt = new Map(files).set('self-test.json', Buffer.from(JSON.stringify(cases)))
  const policy = recorded({ default: writeArchive(spoilt) })
  const found = createPolicies(new Map([[policy.revision, policy]])).of(policy.revision)
  expect(found).toMatchObject({ ok: false, error: { failsItsTest: true } })
})

test('a bundle that does not load, or is not there, says why, and is no defect', () => {
  const { revision, config_digest } = recorded({ default: writeArchive(files) })
  const broken = { revision, config_digest, bundles: [{ name: 'default', archive: 'AAAA' }] }
  const policies = createPolicies(new Map([[revision, broken]]))
  for (const name of [revision, 'f'.repeat(64)])
    expect(policies.of(name)).toMatchObject({ ok: false, error: { failsItsTest: false } })
  expect(policies.of('f'.repeat(64))).toMatchObject({ error: { why: 'its bundle is not there' } })
})

test('however many revisions there were, few are active at a time, and each can be had again', () => {
  const own = writeArchive(files)
  const all = Array.from({ length: 7 }, (_, n) =>
    recorded({ default: own, [`extra${n}`]: data(`extra${n}`) }),
  )
  const policies = createPolicies(new Map(all.map((one) => [one.revision, one])))
  const first = policies.of(all[0]!.revision)
  expect(policies.of(all[0]!.revision)).toEqual(first)
  for (const { revision } of all)
    expect(policies.of(revision)).toMatchObject({ ok: true, value: { revision } })
  const again = policies.of(all[0]!.revision)
  expect(again).toMatchObject({ ok: true, value: { revision: all[0]!.revision } })
  expect(first.ok && again.ok && first.value === again.value).toBe(false)
})
