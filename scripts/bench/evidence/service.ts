import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { startIssuer } from '../../../identity/testing.ts'
import { openSigner, type Signer } from '../../../pdp/evidence/signer.ts'
import { startEmbedded } from '../../../pdp/store/embedded/server.ts'
import { startGateway } from '../gateway.ts'
import { freePort } from '../processes.ts'

/** A PostgreSQL server as `countersign start` has it, in a folder that goes with it. */
export type Server = {
  /** Makes an empty database. @returns its URL as the owner, and a connection that ends with the server. */
  readonly database: (name: string) => Promise<Database>
  readonly stop: () => Promise<void>
}

export type Database = {
  readonly url: string
  readonly owner: Sql
  readonly drop: () => Promise<void>
}

export async function startServer(): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const server = await startEmbedded(folder, () => undefined)
  const admin = postgres(server.url, { max: 1, onnotice: () => undefined })
  const opened: Sql[] = []
  return {
    async database(name) {
      await admin`create database ${admin(name)}`
      const url = new URL(server.url)
      url.pathname = `/${name}`
      const owner = postgres(url.href, { max: 2, onnotice: () => undefined })
      opened.push(owner)
      return {
        url: url.href,
        owner,
        async drop() {
          await owner.end()
          await admin`drop database ${admin(name)} with (force)`
        },
      }
    },
    async stop() {
      for (const owner of opened) await owner.end()
      await admin.end()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A decision service in a process of its own, with a log in `database` and an anchor in a file. */
export type Service = {
  readonly url: string
  /** What writers are started with: the master key, and their token. */
  readonly env: Readonly<Record<string, string>>
  /** Names of its enforcement points; the token of the first is `BENCH_PEP_TOKEN_1`. */
  readonly peps: readonly [string, string]
  /** A token of somebody who may read the log. */
  readonly auditor: () => Promise<string>
  readonly stop: () => Promise<void>
}

const ORIGIN = 'bench.example/log'
const AUDIENCE = 'countersign-approvals'

export async function benchSigner(): Promise<{ readonly signer: Signer; readonly seed: string }> {
  const seed = randomBytes(32).toString('base64')
  const signer = await openSigner({ env: 'SEED' }, ORIGIN, { SEED: seed })
  if (!signer.ok) throw new Error(signer.error)
  return { signer: signer.value, seed }
}

/** @param seed of the key that signs its checkpoints; see `benchSigner`. */
export async function startService(database: string, seed: string): Promise<Service> {
  const issuer = await startIssuer()
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'))
  const peps = ['pep-1', 'pep-2'] as const
  const env = {
    BENCH_STORE_URL: database,
    BENCH_SIGNING_KEY: seed,
    BENCH_MASTER_KEY: randomBytes(32).toString('base64'),
    BENCH_PEP_TOKEN_1: randomBytes(32).toString('base64url'),
    BENCH_PEP_TOKEN_2: randomBytes(32).toString('base64url'),
  }
  const gateway = await startGateway(
    {
      sealing: { master_key: { env: 'BENCH_MASTER_KEY' } },
      pdp: {
        listen: `127.0.0.1:${await freePort()}`,
        store: { url: { env: 'BENCH_STORE_URL' } },
        peps: peps.map((name, at) => ({ name, token: { env: `BENCH_PEP_TOKEN_${at + 1}` } })),
        approvals: {
          issuers: [{ url: issuer.url, audience: AUDIENCE, algorithms: ['ES256'] }],
        },
        evidence: {
          origin: ORIGIN,
          signing_keys: [{ env: 'BENCH_SIGNING_KEY' }],
          anchors: [{ file: join(folder, 'anchor'), every_s: 1 }],
        },
      },
    },
    { role: 'pdp', env },
  )
  return {
    url: gateway.urls.pdp ?? '',
    env,
    peps,
    auditor: () => issuer.token({ sub: 'auditor', aud: AUDIENCE, groups: ['auditors'] }),
    async stop() {
      await gateway.stop()
      await issuer.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
