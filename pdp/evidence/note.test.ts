import { createPrivateKey, sign } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkpointText,
  openCheckpoint,
  parseCheckpointText,
  readCheckpoint,
} from './checkpoint.ts'
import { leafHash } from './merkle/hash.ts'
import {
  COSIGNATURE,
  formatNote,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
  signatureLine,
  verifyNote,
} from './note.ts'
import { testKey } from './testing.ts'

/** Of the documentation of golang.org/x/mod/sumdb/note. */
const GO = {
  seed: 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz',
  vkey: 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  text: "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
  line: '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=',
}
/** Of C2SP signed-note, "Verifier keys", and of tlog-cosignature. */
const C2SP = {
  vkey: 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
  note: 'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n',
  checkpoint: `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`,
}
const keyOf = (vkey: string) => {
  const key = parseVerifierKey(vkey)
  if (!key.ok) throw new Error(key.error)
  return key.value
}

describe('the vectors of the specifications', () => {
  test('the note of the Go library is verified, and signed to the same bytes', () => {
    const key = keyOf(GO.vkey)
    const note = formatNote(GO.text, [GO.line])
    expect(verifyNote(note, [key])).toMatchObject({ ok: true, value: { text: GO.text } })
    const seed = Buffer.from(GO.seed, 'base64').subarray(1)
    const secret = createPrivateKey({
      key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]),
      format: 'der',
      type: 'pkcs8',
    })
    expect(signatureLine(key, sign(null, Buffer.from(GO.text), secret))).toBe(GO.line)
    expect(key.vkey).toBe(GO.vkey)
  })

  test("the signed-note specification's example is verified", () => {
    expect(verifyNote(C2SP.note, [keyOf(C2SP.vkey)]).ok).toBe(true)
    expect(verifyNote(C2SP.note.replace('example m', 'Example m'), [keyOf(C2SP.vkey)])).toEqual({
      ok: false,
      error: 'bad_signature',
    })
  })

  test('the checkpoint of the specification is read, with the time of its cosignature', () => {
    const checkpoint = readCheckpoint(C2SP.checkpoint)
    expect(checkpoint).toMatchObject({
      ok: true,
      value: { origin: 'example.com/behind-the-sofa', size: 20_852_163 },
    })
    const parsed = parseNote(C2SP.checkpoint)
    const witness = parsed.ok ? parsed.value.signatures[1] : undefined
    expect(witness?.id).toBe('8d66cf3f')
    expect(Buffer.from(witness!.signature).readBigUInt64BE()).toBe(1_679_315_147n)
  })

  test("a witness's key of the public network has the id that its type 0x04 gives", () => {
    const vkey = 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2'
    expect(keyOf(vkey)).toMatchObject({ type: COSIGNATURE, id: 'da77ade7', vkey })
  })
})

const origin = 'example.com/log'
const log = testKey(origin)
const witness = testKey('witness.example.com/w1', COSIGNATURE)
const text = checkpointText({ origin, size: 7, root: leafHash('root') })
const lines = [log.line(text), witness.line(text, 1_700_000_000)]
const note = formatNote(text, lines)

describe('who signed', () => {
  test('log and witness are told, each by its own key', () => {
    const verified = verifyNote(note, [log.key, witness.key])
    expect(verified.ok && verified.value.by.map(({ key, time_s }) => [key.name, time_s])).toEqual([
      [origin, undefined],
      ['witness.example.com/w1', 1_700_000_000],
    ])
  })

  test('a signature of an unknown key is passed over, but there has to be a known one', () => {
    expect(verifyNote(note, [log.key]).ok).toBe(true)
    expect(verifyNote(note, [testKey(origin, 1, 'another').key])).toEqual({
      ok: false,
      error: 'unknown_key',
    })
  })

  test('one bad signature of a known key spoils the whole note', () => {
    const other = witness.line(text.replace('7', '8'), 1_700_000_000)
    expect(verifyNote(formatNote(text, [lines[0]!, other]), [log.key, witness.key])).toEqual({
      ok: false,
      error: 'bad_signature',
    })
  })

  test('a cosignature does not hold at another time, nor as a signature of the text', () => {
    const parsed = parseSignatureLine(witness.line(text, 5))!
    const later = Buffer.from(parsed.signature)
    later.writeBigUInt64BE(6n)
    expect(
      verifyNote(formatNote(text, [signatureLine(witness.key, later)]), [witness.key]).ok,
    ).toBe(false)
    const plain = testKey('witness.example.com/w1')
    const forged = signatureLine(plain.key, parsed.signature.subarray(8))
    expect(verifyNote(formatNote(text, [forged]), [plain.key]).ok).toBe(false)
  })

  test('a checkpoint needs a key of its own log: no witness alone, no key of another log', () => {
    const other = testKey('example.com/other')
    expect(openCheckpoint(note, [log.key, witness.key], origin).ok).toBe(true)
    expect(openCheckpoint(note, [witness.key])).toEqual({ ok: false, error: 'unknown_key' })
    expect(openCheckpoint(formatNote(text, [other.line(text)]), [other.key])).toEqual({
      ok: false,
      error: 'unknown_key',
    })
    expect(openCheckpoint(note, [log.key], 'example.com/other')).toEqual({
      ok: false,
      error: 'wrong_origin',
    })
  })

  test('no single changed character is believed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: note.length - 1 }),
        fc.constantFrom('A', '0', '\n', ' ', 'é'),
        (at, put) => {
          fc.pre(note[at] !== put)
          const spoilt = note.slice(0, at) + put + note.slice(at + 1)
          const verified = openCheckpoint(spoilt, [log.key, witness.key], origin)
          // A line whose name or id changed is of an unknown key; what the other signed still holds, and is the same text.
          if (verified.ok) expect(checkpointText(verified.value)).toBe(text)
        },
      ),
      { numRuns: 400 },
    )
  })
})

describe('what is not written as the format says is refused', () => {
  test.each([
    ['no blank line', `${text}${lines[0]}\n`],
    ['no signature', `${text}\n`],
    ['no newline at the end', note.slice(0, -1)],
    ['a tab', formatNote(text.replace('7', '7\t'), lines)],
    ['a carriage return', note.replaceAll('\n', '\r\n')],
    ['a lone surrogate', formatNote(`\ud800${text}`, lines)],
    ['a hyphen for the dash', note.replace('—', '-')],
    ['two spaces', note.replace('— ', '—  ')],
    ['base64 without padding', note.replaceAll('=\n', '\n')],
    ['a name with a plus', note.replace(`— ${origin}`, `— ${origin}+`)],
  ])('%s', (_, spoilt) => {
    expect(verifyNote(spoilt, [log.key, witness.key])).toEqual({ ok: false, error: 'malformed' })
  })

  test.each([
    ['a size with a leading zero', text.replace('\n7\n', '\n07\n')],
    ['a negative size', text.replace('\n7\n', '\n-7\n')],
    ['a size past what is exact', text.replace('\n7\n', '\n9007199254740993\n')],
    ['a root of 31 bytes', checkpointText({ origin, size: 7, root: Buffer.alloc(31) })],
    ['no origin', text.replace(origin, '')],
    ['an empty line', `${text}\n`],
    ['two lines', `${origin}\n7\n`],
  ])('a checkpoint with %s', (_, spoilt) => {
    expect(parseCheckpointText(spoilt).ok).toBe(false)
  })

  test('extension lines of others are passed over', () => {
    expect(parseCheckpointText(`${text}extension\n`)).toMatchObject({
      ok: true,
      value: { size: 7 },
    })
  })

  test.each([
    ['another id', GO.vkey.replace('c74f20a3', 'c74f20a4')],
    ['an unknown type', 'x+00000000+AxoA'],
    ['no base64', 'PeterNeumann+c74f20a3+?'],
    ['a short key', 'PeterNeumann+c74f20a3+ARpc'],
    ['a space in its name', GO.vkey.replace('Peter', 'Peter ')],
    ['nothing', ''],
  ])('a verifier key with %s', (_, vkey) => {
    expect(parseVerifierKey(vkey).ok).toBe(false)
  })
})
