import { hash } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readArchive, writeArchive } from '../bundle/archive.ts'
import { type BundleContents, readBundle } from '../bundle/bundle.ts'
import { ok } from '../contract/result.ts'
import { activatePolicy } from '../policy/activate.ts'
import { loadPolicy } from '../policy/load.ts'
import type { ActivePolicy } from '../policy/policy.ts'
import { type KeptPolicy, type PolicyStore, StoreError } from '../store/store.ts'
import { openTestStore, type TestStore } from '../store/testing.ts'
import { createPolicyKeeper } from './policy-keeper.ts'

const NOW = 1_800_000_000_000
const CONFIG = 'c'.repeat(64)

let opened: TestStore
let owner: Sql
let policy: ActivePolicy
let bundle: BundleContents
beforeAll(async () => {
  opened = await openTestStore()
  owner = postgres(opened.url, { max: 1 })
  const loaded = await loadPolicy('bundles/default.tar.gz', { config_digest: CONFIG })
  if (!loaded.ok) throw loaded.error
  ;({ policy, bundle } = loaded.value)
})
afterAll(() => owner.end())

function keeperOf() {
  const log: { event: string; detail: unknown }[] = []
  const keeper = createPolicyKeeper({
    config_digest: CONFIG,
    log: (_level, event, detail) => void log.push({ event, detail }),
    now: () => NOW,
    retry_ms: 1,
  })
  return { keeper, log }
}

/** A store that takes the first after so many tries. */
function slowStore(failures: number): { readonly store: PolicyStore; readonly kept: KeptPolicy[] } {
  let left = failures
  const kept: KeptPolicy[] = []
  return {
    kept,
    store: {
      keep(one) {
        left -= 1
        if (left >= 0) return Promise.reject(new StoreError('STORE_UNAVAILABLE', 'away'))
        kept.push(one)
        return Promise.resolve()
      },
      find: () => Promise.resolve(undefined),
    },
  }
}

const named = (revision: string) => ({ ...policy, revision }) as ActivePolicy

describe('a policy that becomes active', () => {
  test('is kept whole: what is made of it again has the same revision and decides', async () => {
    const { keeper, log } = keeperOf()
    keeper.activated(policy, [bundle])
    keeper.begin(opened.store.policies)
    await expect
      .poll(() => opened.store.policies.find(policy.revision), { timeout: 10_000 })
      .toBeDefined()
    const kept = await opened.store.policies.find(policy.revision)
    expect(kept).toMatchObject({ revision: policy.revision, config_digest: CONFIG })
    const bundles = kept!.bundles.map(({ name, digest, archive }) =>
      readBundle(name, digest, readArchive(archive, 100_000_000)),
    )
    const again = activatePolicy(bundles, { config_digest: CONFIG, now: () => 1 })
    expect(again.revision).toBe(policy.revision)
    expect(bundles[0]?.files).toEqual(bundle.files)
    const input = { action: { name: 'http.request' } }
    expect(again.evaluate('countersign/decision/decision', input)).toEqual(
      policy.evaluate('countersign/decision/decision', input),
    )
    // Under another configuration it is another one.
    const other = activatePolicy(bundles, { config_digest: 'd'.repeat(64), now: () => 1 })
    expect(other.revision).not.toBe(policy.revision)
    const [leaf] = await policyLeaves()
    expect(leaf).toMatchObject({
      kind: 'policy',
      time_ms: NOW,
      source: { pdp: 'pdp' },
      revision: policy.revision,
      config_digest: CONFIG,
      bundles: [
        {
          name: bundle.name,
          revision: bundle.revision,
          digest: bundle.digest,
          archive: hash('sha256', kept!.bundles[0]!.archive),
        },
      ],
    })
    expect(log).toEqual([])
    await keeper.close()
  })

  test('before there is a store, and while it does not answer, waits and is kept in order', async () => {
    const { keeper, log } = keeperOf()
    const { store, kept } = slowStore(3)
    keeper.activated(named('one'), [bundle])
    keeper.activated(named('two'), [bundle])
    keeper.begin(store)
    await expect.poll(() => kept.map(({ revision }) => revision)).toEqual(['one', 'two'])
    keeper.activated(named('three'), [bundle])
    await expect.poll(() => kept.length).toBe(3)
    expect(log.map(({ event }) => event)).toEqual(Array(3).fill('policy.not_recorded'))
    expect(log[0]?.detail).toMatchObject({ revision: 'one' })
    await keeper.close()
  })

  test('says which commit its bundle was built from, where the bundle says', async () => {
    const { keeper } = keeperOf()
    const { store, kept } = slowStore(0)
    const manifest = { ...bundle.manifest, metadata: { git_revision: 'abc123' } }
    keeper.begin(store)
    keeper.activated(policy, [{ ...bundle, manifest }, bundle])
    await expect.poll(() => kept.length).toBe(1)
    expect(kept[0]?.bundles.map(({ git_revision }) => git_revision)).toEqual(['abc123', undefined])
    await keeper.close()
  })

  test('with a bundle that cannot be kept is not half kept', async () => {
    const { keeper, log } = keeperOf()
    const { store, kept } = slowStore(0)
    keeper.begin(store)
    const files = new Map([['x'.repeat(1_000), Buffer.from('x')]])
    keeper.activated(named('broken'), [bundle, { ...bundle, name: 'broken', files }])
    keeper.activated(named('whole'), [bundle])
    await expect.poll(() => kept.map(({ revision }) => revision)).toEqual(['whole'])
    expect(log).toMatchObject([{ event: 'policy.not_recorded', detail: { bundle: 'broken' } }])
    await keeper.close()
  })

  test('is waited for no longer once the keeper is closed', async () => {
    const { keeper } = keeperOf()
    const { store, kept } = slowStore(1_000_000)
    keeper.begin(store)
    keeper.activated(policy, [bundle])
    await keeper.close()
    expect(kept).toEqual([])
  })
})

const policyLeaves = async () =>
  (
    await owner<{ leaf: string }[]>`
      select leaf from countersign.leaves where kind = 'policy' order by idx`
  ).map(({ leaf }) => JSON.parse(leaf) as { readonly revision: string })

describe('the store of policies', () => {
  const archive = (text: string) => writeArchive(new Map([['data.json', Buffer.from(text)]]))
  const kept = (revision: string, text = '{}'): KeptPolicy => ({
    revision,
    config_digest: CONFIG,
    bundles: [
      { name: 'a', revision: '1', digest: '0'.repeat(64), archive: archive(text) },
      {
        name: 'b',
        revision: '2',
        digest: '1'.repeat(64),
        git_revision: 'g',
        archive: archive('{}'),
      },
    ],
  })

  test('has a leaf for each change of the active one, and each bundle once', async () => {
    const { store, url } = await openTestStore()
    const mine = postgres(url, { max: 1 })
    for (const revision of ['A', 'A', 'B', 'A', 'A']) await store.policies.keep(kept(revision), NOW)
    const leaves = await store.log.leaves(0, 10)
    expect(leaves.map(({ leaf }) => (JSON.parse(leaf) as { revision: string }).revision)).toEqual([
      'A',
      'B',
      'A',
    ])
    expect(await mine`select from countersign.bundle_archives`).toHaveLength(1)
    await store.policies.keep(kept('C', '{"x":1}'), NOW)
    expect(await mine`select from countersign.bundle_archives`).toHaveLength(2)
    const found = await store.policies.find('C')
    expect(found?.bundles.map(({ name, git_revision }) => [name, git_revision])).toEqual([
      ['a', undefined],
      ['b', 'g'],
    ])
    expect(ok(Buffer.from(found!.bundles[0]!.archive))).toEqual(ok(archive('{"x":1}')))
    expect(await store.policies.find('D')).toBeUndefined()
    // One that lacks a bundle is no policy.
    await mine`delete from countersign.bundle_archives where digest = ${hash('sha256', archive('{"x":1}'))}`
    expect(await store.policies.find('C')).toBeUndefined()
    await mine.end()
  })

  test('keeps nothing of one that it cannot put on record', async () => {
    const { store, url } = await openTestStore()
    const mine = postgres(url, { max: 1 })
    await mine.unsafe(`create trigger nothing_more before insert on countersign.leaves
      for each statement execute function countersign.refuse_change()`)
    await expect(store.policies.keep(kept('A'), NOW)).rejects.toMatchObject({
      code: 'STORE_BROKEN',
    })
    expect(await store.policies.find('A')).toBeUndefined()
    await mine.end()
  })
})
