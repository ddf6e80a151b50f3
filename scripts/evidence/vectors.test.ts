import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parseVerifierKey } from '../../pdp/evidence/note.ts'
import { linesOf } from '../../pdp/evidence/export-format.ts'
import { exitCodeOf } from './report.ts'
import { makeVectors } from './testing-vectors.ts'
import { verifyExport } from './verify.ts'

const docs = new URL('../../docs/', import.meta.url)

test('the test vectors of the documentation are what the code makes', async () => {
  const { lines, vkey, leaf_hashes, roots, inclusion_2_of_5, consistency_3_to_5, checkpoint } =
    await makeVectors()
  expect(await readFile(new URL('evidence-example.jsonl', docs), 'utf8')).toBe(
    `${lines.join('\n')}\n`,
  )
  const page = await readFile(new URL('evidence-format.md', docs), 'utf8')
  const hashes = [
    ...leaf_hashes,
    ...Object.values(roots),
    ...inclusion_2_of_5,
    ...consistency_3_to_5,
  ]
  expect(page.match(/\b[0-9a-f]{64}\b/g)).toEqual(hashes)
  expect(page).toContain(`    vkey            ${vkey}\n`)
  expect(page).toContain(checkpoint.replace(/^(?=.)/gm, '    '))
})

test('the example verifies, and is anchored by its own checkpoint', async () => {
  const { lines, vkey, checkpoint } = await makeVectors()
  const key = parseVerifierKey(vkey)
  if (!key.ok) throw new Error(key.error)
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from(lines.join('\n'))
  }
  const report = await verifyExport(linesOf(bytes()), { keys: [key.value], anchors: [checkpoint] })
  expect(report).toMatchObject({ leaves: 5, checkpoints: 2, sealed: 1, problems: [], warnings: [] })
  expect(exitCodeOf(report)).toBe(0)
})
