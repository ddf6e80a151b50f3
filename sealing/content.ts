import { Packr, RESERVE_START_SPACE, RESET_BUFFER_MODE, Unpackr } from 'msgpackr'
import { z } from 'zod'
import { type JournalRecord, journalRecord, type SealedRecord } from '../pdp/contract/record.ts'
import { err, ok, type Result } from '../pdp/contract/result.ts'
import { type BlockedBody, fromBlocks, intoBlocks, MIN_BLOCK_BYTES } from './blocks.ts'
import { commitment, type ContentKey, open, seal, sealBehind } from './envelope.ts'
import { stepOf } from './step.ts'

/**
 * The content of a record: msgpack of all of it, but that long bodies are told as blocks. Blocks are named by
 * commitments, so the commitment to the content covers them too.
 */

// No shared structures: it must be readable alone, years later.
const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

/** One byte of room in front, in memory that is used again. */
const PACKED = RESERVE_START_SPACE | RESET_BUFFER_MODE | 1

type Sealable = Exclude<JournalRecord, { kind: 'event' }>

/** An event holds nobody's content, so it has no key. */
export function plainRecord(record: Extract<JournalRecord, { kind: 'event' }>): SealedRecord {
  return { v: 2, step: stepOf(record) }
}

/**
 * Seals a record.
 * @param isNew whether a block with this id must come with it; asked once for each block of the record.
 */
export function sealRecord(
  record: Sealable,
  key: ContentKey,
  isNew: (block: string) => boolean,
): SealedRecord {
  const blocks: { id: string; sealed: Uint8Array }[] = []
  const shorten = (body: Uint8Array, cuts: readonly number[] = []): Uint8Array | BlockedBody =>
    body.length < MIN_BLOCK_BYTES
      ? body
      : intoBlocks(key, body, cuts, (id, bytes) => {
          if (isNew(id)) blocks.push({ id, sealed: seal(key, `block ${id}`, bytes) })
        })
  // The next record is packed over it: nothing of what is plain may outlive this call.
  const roomy = packr.pack(withBodies(record, shorten), PACKED)
  const content = roomy.subarray(1)
  return {
    v: 2,
    step: stepOf(record),
    content: {
      key: key.id,
      sealed: sealBehind(key, 'record', roomy),
      commitment: commitment(key, 'record', content),
      blocks,
      ...labelOf(record, key),
    },
  }
}

/** Sealed by itself, so that sessions can be listed by it without opening what they hold. */
function labelOf(record: Sealable, key: ContentKey): { label?: Uint8Array } {
  const label = 'request' in record ? record.request.context.session.label : undefined
  return label === undefined ? {} : { label: seal(key, 'label', Buffer.from(label)) }
}

/** What the client calls its session; `undefined` when it does not say, or it cannot be opened. */
export function openLabel({ content }: SealedRecord, key: ContentKey): string | undefined {
  const opened = content?.label && open(key, 'label', content.label)
  return opened?.ok ? opened.value.toString() : undefined
}

function withBodies(
  record: Sealable,
  shorten: (body: Uint8Array, cuts?: readonly number[]) => Uint8Array | BlockedBody,
): unknown {
  if (record.kind === 'outcome')
    return record.rest
      ? { ...record, rest: record.rest.map((part) => ({ ...part, body: shorten(part.body) })) }
      : record
  if (record.kind === 'chunk')
    return record.body ? { ...record, body: shorten(record.body) } : record
  const { body, forwarded, cuts, forwarded_cuts, ...exchange } = record.exchange
  return {
    ...record,
    exchange: {
      ...exchange,
      ...(body && { body: shorten(body, cuts) }),
      ...(forwarded && { forwarded: shorten(forwarded, forwarded_cuts) }),
    },
  }
}

/**
 * Opens a record and checks it: that it is what was committed to, under this key, and the content of this step.
 * @param readBlock gives the sealed bytes of a block that did not come with the record; `undefined` when it is not there.
 * @returns a sentence that says why it cannot be had. An event is as plain as its step.
 */
export async function openRecord(
  { step, content }: SealedRecord,
  key: ContentKey,
  readBlock: (id: string) => Promise<Uint8Array | undefined>,
): Promise<Result<JournalRecord, string>> {
  if (!content) return step.kind === 'event' ? ok(step) : err('its content is not there')
  if (content.key !== key.id) return err(`it is sealed under key ${content.key}, not ${key.id}`)
  const opened = open(key, 'record', content.sealed)
  if (!opened.ok) return opened
  if (commitment(key, 'record', opened.value) !== content.commitment)
    return err('it is not what was committed to')
  const sent = new Map(content.blocks.map((block) => [block.id, block.sealed]))
  const whole = await restoreBodies(opened.value, async (body) =>
    fromBlocks(key, body, async (id) => sent.get(id) ?? (await readBlock(id))),
  )
  if (!whole.ok) return whole
  const record = journalRecord.safeParse(whole.value)
  if (!record.success) return err('it is no record that is known here')
  return sameStep(record.data, step) ? ok(record.data) : err('it is the content of another step')
}

const sameStep = (record: JournalRecord, step: SealedRecord['step']): boolean =>
  record.kind === step.kind &&
  record.kind !== 'event' &&
  step.kind !== 'event' &&
  record.operation_id === step.operation_id

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const blocked = z.strictObject({
  parts: z.array(z.union([z.string(), bytes])),
  bytes: z.int(),
})
const body = z.union([bytes, blocked]).optional()
const content = z.looseObject({
  body,
  exchange: z.looseObject({ body, forwarded: body }).optional(),
  rest: z.array(z.looseObject({ body })).optional(),
})
type Body = z.infer<typeof body>

/** Unpacks a content and puts its bodies in their places. */
async function restoreBodies(
  packed: Uint8Array,
  restore: (body: BlockedBody) => Promise<Result<Uint8Array, string>>,
): Promise<Result<unknown, string>> {
  let unpacked: unknown
  try {
    unpacked = unpackr.unpack(packed)
  } catch {
    return err('it is not MessagePack')
  }
  const read = content.safeParse(unpacked)
  if (!read.success) return err('it is no record that is known here')
  const { exchange, rest = [] } = read.data
  const places: { body?: Body; forwarded?: Body }[] = [
    read.data,
    ...(exchange ? [exchange] : []),
    ...rest,
  ]
  for (const place of places) {
    for (const name of ['body', 'forwarded'] as const) {
      const found = place[name]
      if (!found || found instanceof Uint8Array) continue
      const restored = await restore(found)
      if (!restored.ok) return restored
      place[name] = restored.value
    }
  }
  return ok(read.data)
}
