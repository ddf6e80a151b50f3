import { randomUUID } from 'node:crypto'
import { joinedTexts } from '../../pep/adapters/anthropic/joined-texts.ts'
import { typeOf } from '../../pep/facts/anthropic-fields.ts'
import { parseStrict, rewrite } from '../../pep/facts/json-text.ts'
import { maskSeveral } from '../../pep/mask/mask.ts'
import { type Masker, NotShown } from './masker.ts'
import { type Breathe, type Edit, edited, type Pieces, throughPieces } from './pieces.ts'

/**
 * Masks a JSON body: text blocks that follow each other as the one text that their reader sees, then every string, key and
 * number. Pictures and other files in it are replaced by their size.
 * @param text of the body.
 * @param document what it parses to.
 */
export async function maskJsonBody(
  masker: Masker,
  body: Pieces,
  text: string,
  document: unknown,
  breathe: Breathe,
): Promise<Pieces> {
  const edits = await acrossStrings(masker, text, document, breathe)
  return throughPieces(edited(body, edits), masker.mask.json(), breathe, false)
}

/** The same of a document by itself, such as the data of an event. */
export async function maskJsonText(
  masker: Masker,
  text: string,
  breathe: Breathe,
): Promise<string> {
  const value = parsed(text)
  const joined = new Map<object, string>()
  const out = rewrite(
    text,
    value,
    (node, key, parent) => {
      if (Array.isArray(node)) {
        const several = (texts: readonly string[]): readonly string[] =>
          maskSeveral(masker.mask, texts).outs
        for (const [block, masked] of joinedTexts(node, key, several)) joined.set(block, masked)
      }
      return replaced(node, key, parent, joined)
    },
    undefined,
  )
  const bytes = Buffer.from(out)
  const whole = { body: bytes, pieces: [[0, bytes.length] as const] }
  return (await throughPieces(whole, masker.mask.json(), breathe, false)).body.toString('utf8')
}

/** @throws {NotShown} for JSON that two readers could read differently. */
function parsed(text: string): unknown {
  const value = parseStrict(text)
  if (!value.ok) throw new NotShown(`it is ${value.error}`)
  return value.value
}

/** What becomes of a value that cannot be judged string by string. */
function replaced(
  node: unknown,
  key: string | number | undefined,
  parent: unknown,
  joined: ReadonlyMap<object, string>,
): { readonly replace?: () => string } {
  if (typeof node !== 'string') return {}
  const together =
    key === 'text' && typeof parent === 'object' && parent ? joined.get(parent) : undefined
  const shown = together ?? sizeOf(node, key, parent) ?? node
  return shown === node ? {} : { replace: () => JSON.stringify(shown) }
}

/** Base64 of what is not text says nothing to a reader, and nothing here looks into it. */
function sizeOf(
  text: string,
  key: string | number | undefined,
  parent: unknown,
): string | undefined {
  const url = /^data:(?!text\/)[^,]*;base64,/i.exec(text)?.[0]
  if (url !== undefined) return notShown(text.length - url.length)
  if (key !== 'data' || typeof parent !== 'object' || parent === null) return undefined
  const types = ['media_type', 'mimeType', 'mime_type'].map((name) =>
    Object.hasOwn(parent, name) ? (parent as Readonly<Record<string, unknown>>)[name] : undefined,
  )
  const other = types.some((type) => typeof type === 'string' && !type.startsWith('text/'))
  return other || typeOf(parent) === 'base64' ? notShown(text.length) : undefined
}

const notShown = (characters: number): string =>
  `[NOT SHOWN: ${Math.floor((characters * 3) / 4)} bytes]`

/** Edits of what stands in several strings together, and of what is replaced by its size. */
async function acrossStrings(
  masker: Masker,
  text: string,
  value: unknown,
  breathe: Breathe,
): Promise<Edit[]> {
  const mark = text.startsWith('\ufeff') ? 1 : 0
  const json = text.slice(mark)
  const joined = await joinedAcross(masker, value, breathe)
  const border = randomUUID()
  const news: string[] = []
  const olds: string[] = []
  const out = rewrite(
    json,
    value,
    (node, key, parent) => {
      const step = replaced(node, key, parent, joined)
      if (!step.replace) return step
      news.push(step.replace())
      return { replace: (old) => `${border}${olds.push(old) - 1}${border}` }
    },
    undefined,
  )
  if (news.length === 0) return []
  await breathe()
  const edits: Edit[] = []
  let at = 3 * mark
  // What stands between is as it was.
  for (const [k, part] of out.split(border).entries()) {
    if (k % 2 === 0) {
      at += Buffer.byteLength(part)
      continue
    }
    const length = Buffer.byteLength(olds[Number(part)] ?? '')
    edits.push({ at, length, bytes: Buffer.from(news[Number(part)] ?? '') })
    at += length
  }
  return edits
}

/** Masks all texts that go on from block to block. */
async function joinedAcross(
  masker: Masker,
  document: unknown,
  breathe: Breathe,
): Promise<ReadonlyMap<object, string>> {
  const joined = new Map<object, string>()
  const waiting: [key: string | undefined, value: unknown][] = [[undefined, document]]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [key, value] = next
    if (Array.isArray(value)) {
      const runs: (readonly string[])[] = []
      const same = (texts: readonly string[]): readonly string[] => {
        runs.push(texts)
        return texts
      }
      const blocks = [...joinedTexts(value, key, same).keys()]
      let first = 0
      for (const texts of runs) {
        const outs = await severalInTurns(masker, texts, breathe)
        for (const [k, out] of outs.entries()) {
          const block = blocks[first + k]
          if (block) joined.set(block, out)
        }
        first += texts.length
      }
      for (const item of value) waiting.push([undefined, item])
    } else if (typeof value === 'object' && value !== null) {
      for (const entry of Object.entries(value)) waiting.push(entry)
    }
    await breathe()
  }
  return joined
}

/** Most code units at a stretch. */
const STRETCH = 64 * 1024

/** As `maskSeveral`, for texts that may be long. */
async function severalInTurns(
  { mask }: Masker,
  texts: readonly string[],
  breathe: Breathe,
): Promise<string[]> {
  const masker = mask.text()
  const outs: string[] = ['']
  const take = (out: string): void => {
    let from = 0
    for (const mark of masker.marks) {
      outs.push(outs.pop() + out.slice(from, mark), '')
      from = mark
    }
    outs.push(outs.pop() + out.slice(from))
  }
  for (const [k, text] of texts.entries()) {
    if (k > 0) take(masker.mark())
    for (let at = 0; at < text.length; at += STRETCH) {
      take(masker.push(text.slice(at, at + STRETCH)))
      await breathe()
    }
  }
  take(masker.end())
  return outs
}
