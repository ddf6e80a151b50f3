import { constants, crc32, gunzipSync } from 'node:zlib'
import { BundleError } from './errors.ts'

/**
 * The archive of a bundle: tar (POSIX ustar, and pax for long names) in gzip. What is written depends on the files
 * alone; what is read is refused unless it is understood whole.
 */

/** Files by path, `a/b.rego`: without a leading slash. */
export type ArchiveFiles = ReadonlyMap<string, Uint8Array>

const BLOCK = 512
const MOST_ENTRIES = 10_000
const MOST_NAME_BYTES = 1024

/** Field offsets and sizes of a header block, POSIX.1-1988. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>

/**
 * @param mostBytes most bytes of the unpacked archive.
 * @throws {BundleError} BUNDLE_ARCHIVE, BUNDLE_TOO_LARGE.
 */
export function readArchive(gzipped: Uint8Array, mostBytes: number): ArchiveFiles {
  return readTar(unzip(gzipped, mostBytes))
}

function unzip(gzipped: Uint8Array, mostBytes: number): Buffer {
  try {
    return gunzipSync(gzipped, { maxOutputLength: mostBytes, finishFlush: constants.Z_FINISH })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new BundleError('BUNDLE_TOO_LARGE', `unpacks to more than ${mostBytes} bytes`, {
        cause,
      })
    throw damaged(`not a whole gzip file (${(cause as Error).message})`)
  }
}

function readTar(tar: Buffer): ArchiveFiles {
  const files = new Map<string, Uint8Array>()
  let longName: string | undefined
  let entries = 0
  for (let at = 0; ;) {
    const header = tar.subarray(at, at + BLOCK)
    if (header.length < BLOCK) throw damaged('the archive is cut off')
    if (isZero(header)) {
      // Two empty blocks end an archive; anything behind them nobody would see.
      if (tar.length < at + 2 * BLOCK || !isZero(tar.subarray(at)))
        throw damaged('the archive does not end as it should')
      return files
    }
    entries += 1
    if (entries > MOST_ENTRIES)
      throw new BundleError('BUNDLE_TOO_LARGE', `more than ${MOST_ENTRIES} files`)
    const { name, size, type } = readHeader(header)
    const start = at + BLOCK
    if (start + size > tar.length) throw damaged(`${name} is cut off`)
    const content = tar.subarray(start, start + size)
    at = start + Math.ceil(size / BLOCK) * BLOCK

    if (type === 'x') {
      longName = paxPath(content) ?? longName
      continue
    }
    const path = filePath(longName ?? name)
    longName = undefined
    if (type === '5') continue
    if (type !== '0' && type !== '\0') throw damaged(`${path} is no plain file (type ${type})`)
    if (files.has(path)) throw damaged(`${path} is there twice`)
    files.set(path, content)
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

const damaged = (what: string): BundleError => new BundleError('BUNDLE_ARCHIVE', what)

function readHeader(header: Buffer): { name: string; size: number; type: string } {
  const text = ([start, length]: readonly [number, number]): string => {
    const field = header.subarray(start, start + length)
    const end = field.indexOf(0)
    return field.toString('utf8', 0, end === -1 ? length : end)
  }
  const octal = (field: readonly [number, number]): number => {
    const digits = text(field).trim()
    if (!/^[0-7]{1,12}$/.test(digits)) throw damaged('a header has a number that is none')
    return Number.parseInt(digits, 8)
  }
  if (octal(FIELD.checksum) !== checksum(header)) throw damaged('a header has a wrong checksum')
  const magic = header.toString('latin1', FIELD.magic[0], FIELD.magic[0] + 5)
  if (magic !== 'ustar') throw damaged('the archive is not in the POSIX format')
  const prefix = text(FIELD.prefix)
  const name = prefix === '' ? text(FIELD.name) : `${prefix}/${text(FIELD.name)}`
  const type = String.fromCharCode(header[FIELD.type[0]] ?? 0)
  return { name, size: octal(FIELD.size), type }
}

/** Sum of all bytes, the field itself taken as spaces. */
function checksum(header: Uint8Array): number {
  const [start, length] = FIELD.checksum
  return header.reduce(
    (sum, byte, at) => sum + (at >= start && at < start + length ? 0x20 : byte),
    0,
  )
}

/** The `path` of a pax extended header: records of `<length> <key>=<value>\n`. */
function paxPath(content: Buffer): string | undefined {
  let path: string | undefined
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at)
    const length = Number(content.toString('latin1', at, space))
    if (space === -1 || !Number.isInteger(length) || length <= 0 || at + length > content.length)
      throw damaged('an extended header cannot be read')
    const [key, value] = split(content.toString('utf8', space + 1, at + length - 1), '=')
    // Another size than the header's would let two readers see different files.
    if (key === 'size') throw damaged('an extended header changes a size')
    if (key === 'path') path = value
    at += length
  }
  return path
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/** A path that stays within the bundle. */
function filePath(name: string): string {
  if (Buffer.byteLength(name) > MOST_NAME_BYTES) throw damaged('a name is too long')
  const path = name.replace(/^(?:\.?\/)+/, '').replace(/\/$/, '')
  const parts = path.split('/')
  // `./` alone is the folder itself.
  if (path !== '' && path !== '.' && parts.some((part) => ['', '.', '..'].includes(part)))
    throw damaged(`${JSON.stringify(name)} leads out of the bundle`)
  // eslint-disable-next-line no-control-regex -- names with control characters are what is refused
  if (/[\u0000-\u001f\\]/.test(path)) throw damaged(`${JSON.stringify(name)} is not a plain name`)
  return path
}

/**
 * Writes files in the order of their names, without times or owners.
 * @throws {RangeError} when a path has more than 100 bytes.
 */
export function writeArchive(files: ArchiveFiles): Buffer<ArrayBuffer> {
  const blocks: Uint8Array[] = []
  for (const path of [...files.keys()].sort()) {
    const content = files.get(path) ?? new Uint8Array()
    blocks.push(writeHeader(path, content.length), content)
    blocks.push(Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK))
  }
  blocks.push(Buffer.alloc(2 * BLOCK))
  return zip(Buffer.concat(blocks))
}

function writeHeader(path: string, size: number): Buffer {
  // OPA writes paths from the root.
  const name = `/${path}`
  if (Buffer.byteLength(name) > FIELD.name[1]) throw new RangeError(`${path}: the path is too long`)
  const header = Buffer.alloc(BLOCK)
  const octal = ([start, length]: readonly [number, number], value: number) =>
    header.write(value.toString(8).padStart(length - 1, '0'), start)
  header.write(name, FIELD.name[0])
  octal(FIELD.mode, 0o644)
  octal(FIELD.uid, 0)
  octal(FIELD.gid, 0)
  octal(FIELD.size, size)
  octal(FIELD.mtime, 0)
  header.write('0', FIELD.type[0])
  header.write('ustar\u000000', FIELD.magic[0], 'latin1')
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, FIELD.checksum[0])
  return header
}

/**
 * Gzip without compression (RFC 1952, RFC 1951 §3.2.4): a compressor's output differs between versions and
 * processors, and the bundle is committed, where it is compressed anyway.
 */
function zip(bytes: Buffer): Buffer<ArrayBuffer> {
  const MOST_STORED = 0xffff
  // Deflate, no flags, no time, unknown system.
  const parts: Uint8Array[] = [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)]
  for (let at = 0; at < bytes.length; at += MOST_STORED) {
    const stored = bytes.subarray(at, at + MOST_STORED)
    const head = Buffer.alloc(5)
    head.writeUInt8(at + MOST_STORED >= bytes.length ? 1 : 0)
    head.writeUInt16LE(stored.length, 1)
    head.writeUInt16LE(stored.length ^ 0xffff, 3)
    parts.push(head, stored)
  }
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(crc32(bytes))
  tail.writeUInt32LE(bytes.length % 2 ** 32, 4)
  return Buffer.concat([...parts, tail])
}
