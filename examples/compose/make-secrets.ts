import { randomBytes } from 'node:crypto'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/*
 * Makes the secrets of docker-compose.yml, once: those that are ours are generated, those of others are taken from the
 * environment. Files that are there stay as they are.
 *
 *   ANTHROPIC_API_KEY=… AGENT_CLIENT_SECRET=… node examples/compose/make-secrets.ts
 */

const folder = join(import.meta.dirname, 'secrets')
const wanted = ['ANTHROPIC_API_KEY', 'AGENT_CLIENT_SECRET'] as const

const missing = wanted.filter((name) => !process.env[name])
if (missing.length > 0) {
  console.error(`set ${missing.join(' and ')}, then run this again`)
  process.exit(2)
}

const password = randomBytes(24).toString('base64url')
const secrets: Readonly<Record<string, string>> = {
  anthropic_api_key: process.env['ANTHROPIC_API_KEY'] ?? '',
  agent_client_secret: process.env['AGENT_CLIENT_SECRET'] ?? '',
  pep_token: randomBytes(32).toString('base64url'),
  mask_key: randomBytes(32).toString('base64'),
  master_key: randomBytes(32).toString('base64'),
}

// Nobody else on this host gets into the folder; inside the containers, other users have to read the files.
await mkdir(folder, { recursive: true, mode: 0o700 })
await chmod(folder, 0o700)
for (const [name, value] of Object.entries(secrets)) await keep(name, value)
// Two files, one password: either both are new or none.
if (await keep('postgres_password', password)) {
  await keep('database_url', `postgres://countersign:${password}@postgres:5432/countersign`)
}

/** @returns whether the file is new. */
async function keep(name: string, value: string): Promise<boolean> {
  try {
    await writeFile(join(folder, name), value, { flag: 'wx', mode: 0o444 })
    console.log(`made ${name}`)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    console.log(`kept ${name}`)
    return false
  }
}
