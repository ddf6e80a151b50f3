import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { parsePdpConfig, type PdpConfig } from '../../pdp/config.ts'
import { parsePepConfig, type PepConfig } from '../../pep/config.ts'

/** What goes wrong before anything runs; the message says what to do. */
export class StartError extends Error {}

export type Configuration = {
  readonly pdp: PdpConfig
  readonly pep: PepConfig
  /** sha256 hex: the policy revision covers it. */
  readonly digest: string
  /** Paths in it are relative to this folder. */
  readonly base: string
}

/** @param source a path, or the document itself. @throws {Error} that names every key that is wrong. */
export async function loadConfiguration(source: string | object): Promise<Configuration> {
  const text = typeof source === 'string' ? await read(source) : JSON.stringify(source)
  let document: unknown
  try {
    document = parse(text, { strict: true, uniqueKeys: true })
  } catch (error) {
    const name = typeof source === 'string' ? source : 'the configuration'
    throw new StartError(`${name}: ${(error as Error).message}`, { cause: error })
  }
  return {
    pdp: parsePdpConfig(document),
    pep: parsePepConfig(document),
    digest: createHash('sha256').update(text).digest('hex'),
    base: typeof source === 'string' ? dirname(resolve(source)) : process.cwd(),
  }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new StartError(`cannot read ${path}: name the configuration with --config`, { cause })
  }
}

/** The policy's bundle; the default is the one that comes with this installation. */
/** The bundle that comes along. */
export const DEFAULT_BUNDLE_PATH = join(
  import.meta.dirname,
  '..',
  '..',
  'bundles',
  'default.tar.gz',
)

export const bundlePath = ({ pdp, base }: Configuration): string =>
  pdp.pdp.bundle === undefined ? DEFAULT_BUNDLE_PATH : within(base, pdp.pdp.bundle)

export const within = (base: string, path: string): string =>
  isAbsolute(path) ? path : join(base, path)
