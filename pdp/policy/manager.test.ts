import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Registry } from 'prom-client'
import { afterEach, expect, test } from 'vitest'
import { readArchive, type ArchiveFiles } from '../bundle/archive.ts'
import { BundleError } from '../bundle/errors.ts'
import type { LastKnownGood } from '../bundle/last-known-good.ts'
import type { BundleSource, Fetched } from '../bundle/source/source.ts'
import { createPdpMetrics } from '../metrics.ts'
import { DECISION_ENTRYPOINT } from '../decide/ask.ts'
import { type ManagedBundle, type PolicyManager, startPolicyManager } from './manager.ts'

const committed = readArchive(readFileSync('bundles/default.tar.gz'), 64 * 1024 * 1024)

/** A source that the test feeds. */
function source(name: string, first: ArchiveFiles | BundleError) {
  let next: ArchiveFiles | BundleError = first
  let wake = (): void => {}
  const it: BundleSource = {
    name,
    where: `test:${name}`,
    read: (known) => {
      if (next instanceof BundleError) return Promise.reject(next)
      const fetched = fetchedOf(next)
      return Promise.resolve(fetched.digest === known ? 'unchanged' : fetched)
    },
    wait: (signal) =>
      new Promise((resolve) => {
        wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      }),
  }
  return { it, offer: (files: ArchiveFiles | BundleError) => ((next = files), wake()) }
}

function fetchedOf(files: ArchiveFiles): Fetched {
  const hash = createHash('sha256')
  for (const [path, content] of files) hash.update(path).update(content)
  return { files, digest: hash.digest('hex') }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const changed = (changes: Readonly<Record<string, Uint8Array>>): ArchiveFiles =>
  new Map([...committed, ...Object.entries(changes)])
const manifest = JSON.parse(Buffer.from(committed.get('.manifest')!).toString()) as object
const renamed = (revision: string): ArchiveFiles =>
  changed({ '.manifest': json({ ...manifest, revision }) })
const dataBundle = (roots: string[], data: unknown): ArchiveFiles =>
  new Map([
    ['.manifest', json({ revision: 'data', roots })],
    ['data.json', json(data)],
  ])

const managers: PolicyManager[] = []
afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.close()
})

async function start(bundles: readonly ManagedBundle[]) {
  const log: { level: string; event: string; detail?: Record<string, unknown> }[] = []
  const registry = new Registry()
  const manager = await startPolicyManager({
    bundles,
    config_digest: 'c',
    entrypoints: [DECISION_ENTRYPOINT],
    metrics: createPdpMetrics(registry),
    log: (level, event, detail) => log.push({ level, event, ...(detail && { detail }) }),
    now: () => 1000,
  })
  managers.push(manager)
  return { manager, log, registry }
}

const unsigned = (it: BundleSource): ManagedBundle => ({ source: it, verify: () => {} })
const effect = (manager: PolicyManager): unknown =>
  manager.current().evaluate(DECISION_ENTRYPOINT, {})

test('a new version takes over, and what took the old one keeps it to its end', async () => {
  const one = source('default', renamed('one'))
  const { manager } = await start([unsigned(one.it)])
  const before = manager.current()
  one.offer(renamed('two'))
  await expect.poll(() => manager.current().bundles[0]?.revision).toBe('two')
  expect(manager.current().revision).not.toBe(before.revision)
  expect(before.bundles[0]?.revision).toBe('one')
  expect(before.evaluate(DECISION_ENTRYPOINT, {})).toMatchObject({
    ok: true,
    value: { effect: 'deny' },
  })
})

const wrongs: readonly (readonly [string, ArchiveFiles | BundleError, string])[] = [
  ['that cannot be had', new BundleError('BUNDLE_READ', 'gone'), 'BUNDLE_READ'],
  ['whose module is broken', changed({ 'policy.wasm': Buffer.from('wasm') }), 'BUNDLE_POLICY'],
  ['whose data is broken', changed({ 'data.json': Buffer.from('{') }), 'BUNDLE_DATA'],
  [
    'whose self-test does not hold',
    changed({
      'self-test.json': json([
        { description: 'd', entrypoint: DECISION_ENTRYPOINT, input: {}, want: 1 },
      ]),
    }),
    'BUNDLE_SELF_TEST',
  ],
]

test.each(wrongs)(
  'a version %s leaves the running one as it is, and says so',
  async (_, files, code) => {
    const one = source('default', renamed('one'))
    const { manager, log, registry } = await start([unsigned(one.it)])
    const before = manager.current()
    one.offer(files)
    await expect.poll(() => manager.status()[0]?.problem?.code).toBe(code)
    expect(manager.current()).toBe(before)
    expect(effect(manager)).toMatchObject({ ok: true, value: { effect: 'deny' } })
    expect(log.findLast(({ event }) => event === 'bundle.refused')?.detail).toMatchObject({
      code,
      running: before.revision,
    })
    expect(await registry.metrics()).toContain(`result="${code}"`)
    one.offer(renamed('three'))
    await expect.poll(() => manager.current().bundles[0]?.revision).toBe('three')
    expect(manager.status()[0]?.problem).toBeUndefined()
  },
)

test('a version whose signature does not verify is never read', async () => {
  const one = source('default', renamed('one'))
  const verify = ({ files }: Fetched): void => {
    if (files.has('evil.rego')) throw new BundleError('BUNDLE_SIGNATURE', 'not signed')
  }
  const { manager } = await start([{ source: one.it, verify }])
  one.offer(changed({ 'evil.rego': Buffer.from('package evil') }))
  await expect.poll(() => manager.status()[0]?.problem?.code).toBe('BUNDLE_SIGNATURE')
  expect(manager.current().modules.map(({ id }) => id)).not.toContain('default/evil.rego')
})

test('without its source a restart goes on with what was kept, verified again', async () => {
  const disk: { fetched?: Fetched } = {}
  const kept: LastKnownGood = {
    save: (fetched) => Promise.resolve(void (disk.fetched = fetched)),
    load: () => Promise.resolve(disk.fetched),
    remove: () => Promise.resolve(void delete disk.fetched),
  }
  const first = source('default', renamed('one'))
  await start([{ source: first.it, verify: () => {}, kept }])
  const away = source('default', new BundleError('BUNDLE_READ', 'away'))
  let verified = 0
  const { manager } = await start([{ source: away.it, verify: () => void (verified += 1), kept }])
  expect(manager.status()[0]).toMatchObject({
    revision: 'one',
    from_disk: true,
    problem: { code: 'BUNDLE_READ' },
  })
  expect(verified).toBe(1)
  away.offer(renamed('two'))
  await expect.poll(() => manager.status()[0]?.revision).toBe('two')
  expect(manager.status()[0]?.from_disk).toBeUndefined()
})

/** A place on disk that a test can look into. */
function disk(save = true) {
  const on: { fetched?: Fetched } = {}
  const kept: LastKnownGood = {
    save: (fetched) =>
      save ? Promise.resolve(void (on.fetched = fetched)) : Promise.reject(new Error('full')),
    load: () => Promise.resolve(on.fetched),
    remove: () => Promise.resolve(void delete on.fetched),
  }
  return { on, kept }
}
const kept = (it: BundleSource, { kept }: ReturnType<typeof disk>): ManagedBundle => ({
  source: it,
  verify: () => {},
  kept,
})

test('of several bundles one that does not run at the start is taken from disk, and does not overwrite what ran', async () => {
  const [rules, data] = [disk(), disk()]
  const good = [
    kept(source('default', renamed('one')).it, rules),
    kept(source('teams', dataBundle(['teams'], { teams: 1 })).it, data),
  ]
  await (await start(good)).manager.close()
  const before = rules.on.fetched
  for (const broken of [
    changed({ 'policy.wasm': Buffer.from('no wasm') }),
    new BundleError('BUNDLE_READ', 'away'),
  ]) {
    const { manager } = await start([
      kept(source('default', broken).it, rules),
      kept(source('teams', dataBundle(['teams'], { teams: 2 })).it, data),
    ])
    expect(manager.status()).toMatchObject([
      { name: 'default', revision: 'one', from_disk: true, problem: {} },
      { name: 'teams', active: true },
    ])
    expect(manager.status()[1]?.problem).toBeUndefined()
    expect(rules.on.fetched).toBe(before)
    expect(effect(manager)).toMatchObject({ ok: true })
    await manager.close()
  }
})

test('a version that cannot be kept leaves no older one for a restart', async () => {
  const first = disk()
  await (await start([kept(source('default', renamed('one')).it, first)])).manager.close()
  expect(first.on.fetched).toBeDefined()
  const full: LastKnownGood = { ...first.kept, save: () => Promise.reject(new Error('full')) }
  const two = source('default', renamed('two'))
  await start([{ source: two.it, verify: () => {}, kept: full }])
  expect(first.on.fetched).toBeUndefined()
})

test('without source and disk there is no start', async () => {
  const away = source('default', new BundleError('BUNDLE_READ', 'away'))
  await expect(start([unsigned(away.it)])).rejects.toThrow('away')
})

test('bundles of disjoint roots are one policy; data of one is seen by rules and documents of all', async () => {
  const rules = source('default', committed)
  const more = source(
    'teams',
    new Map([
      ['.manifest', json({ revision: 'data', roots: ['teams'] })],
      ['data.json', Buffer.from('{"teams":{"1":"a","big":12345678901234567890}}')],
    ]),
  )
  const { manager } = await start([unsigned(rules.it), unsigned(more.it)])
  const { document } = manager.current()
  expect(document(['teams', 'big'], undefined)).toEqual({
    ok: true,
    value: { json: '12345678901234567890' },
  })
  const all = document([], '{}')
  if (!all.ok) throw new Error(all.error.message)
  expect(Object.keys(JSON.parse(all.value.json ?? '{}') as object)).toEqual([
    'countersign',
    'teams',
  ])
})

test('bundles that both own a place are refused', async () => {
  const rules = source('default', committed)
  const more = source(
    'other',
    dataBundle(['countersign/connections'], { countersign: { connections: {} } }),
  )
  await expect(start([unsigned(rules.it), unsigned(more.it)])).rejects.toMatchObject({
    code: 'BUNDLE_CONFLICT',
  })
})
