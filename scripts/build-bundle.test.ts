import { appendFile, chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BuildError, buildBundle, checkBundleIsCurrent } from './build-bundle.ts'
import { findOpa } from './opa.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-build-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function sources(name: string): Promise<string> {
  const source = join(folder, name)
  await cp('rego', source, { recursive: true })
  return source
}

describe('a bundle', () => {
  test('is the same bytes wherever it is built, and the committed one', async () => {
    const cases = 'test/decisions'
    const one = await buildBundle({
      source: await sources('one'),
      out: join(folder, '1.tar.gz'),
      cases,
    })
    const two = await buildBundle({
      source: await sources('elsewhere/two'),
      out: join(folder, '2.tar.gz'),
      cases,
    })
    expect(two.sha256).toBe(one.sha256)
    expect(await readFile(one.path)).toEqual(await readFile('bundles/default.tar.gz'))
  })

  test('of changed data or rules has another revision, and the old one is named as not current', async () => {
    const source = await sources('one')
    const out = join(folder, 'b.tar.gz')
    const before = await buildBundle({ source, out })
    expect(await checkBundleIsCurrent({ source, out })).toEqual([])
    await appendFile(join(source, 'data', 'phrases.yaml'), '\n# only a comment\n')
    expect(await checkBundleIsCurrent({ source, out })).toEqual([])
    const path = join(source, 'countersign', 'decision.rego')
    await writeFile(path, `# another\n${await readFile(path, 'utf8')}`)
    expect((await checkBundleIsCurrent({ source, out })).join()).toContain('is not what')
    expect((await buildBundle({ source, out })).revision).not.toBe(before.revision)
  })

  test('that cannot be built leaves the one before, and says where', async () => {
    const source = await sources('one')
    const out = join(folder, 'b.tar.gz')
    await buildBundle({ source, out })
    const before = await readFile(out)
    await appendFile(join(source, 'countersign', 'masks.rego'), '\nallow if {\n')
    const failed = buildBundle({ source, out })
    await expect(failed).rejects.toThrow(BuildError)
    await expect(failed).rejects.toThrow(/masks\.rego:\d+/)
    expect(await readFile(out)).toEqual(before)
  })

  test('that is missing or damaged is named', async () => {
    const out = join(folder, 'none.tar.gz')
    expect((await checkBundleIsCurrent({ out })).join()).toContain('is missing')
    await writeFile(out, 'x')
    expect((await checkBundleIsCurrent({ out })).join()).toContain('cannot be read')
  })
})

describe('OPA', () => {
  /** A program that says it is OPA. */
  async function impostor(version: string): Promise<string> {
    const path = join(folder, 'opa')
    await writeFile(path, `#!/bin/sh\necho "Version: ${version}"\n`)
    await chmod(path, 0o755)
    return path
  }

  test('comes from npm where PATH has none', async () => {
    expect(await findOpa({ purpose: 'build', env: { PATH: folder } })).toMatchObject({
      ok: true,
      value: { source: 'npm', version: '1.19.0' },
    })
  })

  test('on PATH with another digest is passed over', async () => {
    await impostor('1.19.0')
    const env = { PATH: [folder, '/usr/bin', '/bin'].join(delimiter) }
    expect(await findOpa({ purpose: 'check', env })).toMatchObject({
      ok: true,
      value: { source: 'npm' },
    })
    const none = await findOpa({ purpose: 'check', env, packaged: undefined })
    expect(none).toMatchObject({
      ok: false,
      error: {
        code: 'OPA_NOT_FOUND',
        message: expect.stringContaining('not a published one') as string,
      },
    })
  })

  test('that its user chose is taken, but bundles are built with one version only', async () => {
    const env = { OPA: await impostor('1.0.0'), PATH: '/usr/bin:/bin' }
    expect(await findOpa({ purpose: 'check', env })).toMatchObject({
      ok: true,
      value: { source: '$OPA' },
    })
    expect(await findOpa({ purpose: 'build', env })).toMatchObject({
      ok: false,
      error: { code: 'OPA_VERSION' },
    })
  })

  test('that is nowhere is an error that says how to get it', async () => {
    const none = await findOpa({ purpose: 'build', env: {}, packaged: undefined })
    expect(none).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('download OPA 1.19.0') as string },
    })
  })
})
