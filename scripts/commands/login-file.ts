import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { writePrivate } from '../private-file.ts'
import { CommandError } from './output.ts'

const login = z.object({ issuer: z.string(), token: z.string(), expires_ms: z.number() })
export type Login = z.infer<typeof login>

const file = (): string =>
  join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'countersign', 'login.json')

/** Keeps a person's token, 0600. @returns where. */
export async function keepLogin(value: Login): Promise<string> {
  await writePrivate(file(), JSON.stringify(value))
  return file()
}

/** The token of the last `countersign login`, or of COUNTERSIGN_TOKEN. @throws {CommandError} refused. */
export async function personToken(): Promise<string> {
  const given = process.env['COUNTERSIGN_TOKEN']
  if (given !== undefined && given !== '') return given
  const text = await readFile(file(), 'utf8').catch(() => '')
  const parsed = text === '' ? undefined : login.safeParse(JSON.parse(text))
  if (!parsed?.success)
    throw new CommandError('refused', 'you are not logged in: run npx countersign login')
  if (parsed.data.expires_ms <= Date.now())
    throw new CommandError('refused', 'your login has expired: run npx countersign login')
  return parsed.data.token
}
