import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import * as client from 'openid-client'
import { parse } from 'yaml'
import { z } from 'zod'
import { issuerConfig } from '../../identity/issuer.ts'

/*
 * Keeps a file with a fresh access token of an agent, by client credentials at the first issuer of countersign.yaml.
 *
 *   AGENT_CLIENT_ID=… node keep-token.ts <countersign.yaml> <file>
 *   AGENT_CLIENT_SECRET_FILE (default /run/secrets/agent_client_secret), AGENT_RESOURCE (RFC 8707, when the issuer asks)
 */

const [config = '', out = ''] = process.argv.slice(2)
const {
  AGENT_CLIENT_ID: id = '',
  AGENT_CLIENT_SECRET_FILE: secretFile = '/run/secrets/agent_client_secret',
  AGENT_RESOURCE: resource,
} = process.env
if (!config || !out || !id) {
  console.error('AGENT_CLIENT_ID=… node keep-token.ts <countersign.yaml> <file>')
  process.exit(2)
}

const RETRY_S = 5
const document = z.object({ identity: z.object({ issuers: z.array(issuerConfig).min(1) }) })
const [issuer] = document.parse(parse(await readFile(config, 'utf8'))).identity.issuers
if (!issuer) throw new Error('no issuer')

for (;;) await sleep((await refresh(new URL(issuer.url), [issuer.audience].flat()[0] ?? '')) * 1000)

/** @returns seconds until the next time. The old token stays when there is no new one. */
async function refresh(url: URL, audience: string): Promise<number> {
  try {
    const insecure = url.protocol === 'http:' // issuerConfig lets this pass on loopback only
    const secret = (await readFile(secretFile, 'utf8')).trim()
    const found = await client.discovery(url, id, undefined, client.ClientSecretBasic(secret), {
      ...(insecure && { execute: [client.allowInsecureRequests] }),
    })
    // Issuers name the audience in one of two ways; each ignores the other.
    const asked = { audience, ...(resource !== undefined && { resource }) }
    const token = await client.clientCredentialsGrant(found, asked)
    await writeFile(`${out}.new`, token.access_token, { mode: 0o440 })
    await rename(`${out}.new`, out)
    const lasts = token.expiresIn() ?? 300
    console.log(`a token for the next ${lasts} s`)
    return Math.max(RETRY_S, lasts * 0.7)
  } catch (error) {
    console.error(`no token: ${(error as Error).message}; trying again in ${RETRY_S} s`)
    return RETRY_S
  }
}
