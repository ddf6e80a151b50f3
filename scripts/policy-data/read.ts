import { readdir, readFile } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { parse } from 'yaml'

/**
 * Reads a folder of policy data.
 * @returns parsed YAML by file name without extension, for `prepareData`.
 * @throws {Error} naming the file, when it is not YAML.
 */
export async function readPolicyData(folder: string): Promise<Record<string, unknown>> {
  const sources: Record<string, unknown> = {}
  for (const name of (await readdir(folder)).sort()) {
    const extension = extname(name)
    if (extension !== '.yaml' && extension !== '.yml') continue
    const file = join(folder, name)
    try {
      sources[basename(name, extension)] = parse(await readFile(file, 'utf8'))
    } catch (error) {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
  return sources
}
