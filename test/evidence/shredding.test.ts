import { createHmac, hash } from 'node:crypto'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { APPROVALS_RESOURCE, CLI_CLIENT } from '../../scripts/dev/issuer-provider.ts'
import { signIn } from '../../scripts/dev/sign-in-by-fetch.ts'
import { deviceToken } from '../../scripts/tokens.ts'
import { clear, place, type Place, start, type Started } from '../e2e/running.ts'

/*
 * A session whose bodies are one social security number, recorded whole, and then erased: what is left must not tell the
 * number to who tries all of them.
 */
const SSN = '536-22-8817'
/** `npm run test:evidence` tries a million, all of a few areas; the number is among them. */
const CANDIDATES = process.env['COUNTERSIGN_MUTATIONS'] === undefined ? 20_000 : 1_000_000

let where: Place
let it: Started
let upstream: Server
let token: string
beforeAll(async () => {
  upstream = createServer((incoming, outgoing) =>
    incoming.resume().on('end', () => outgoing.setHeader('content-type', 'text/plain').end(SSN)),
  )
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done))
  const { port } = upstream.address() as AddressInfo
  where = await place((config) => {
    const from = { env: 'CUSTOMERS_API_TOKEN' }
    const credential = { header: 'authorization', prefix: 'Bearer ', from }
    config.connections = {
      customers: { kind: 'http', upstream: `http://127.0.0.1:${port}`, credential },
    }
    config.pdp['bundle'] = 'bundles/default.tar.gz'
  })
  for (const folder of ['rego', 'bundles', join('test', 'decisions')])
    await cp(folder, join(where.root, folder), { recursive: true })
  it = await start(where, { env: { CUSTOMERS_API_TOKEN: 'credential-of-this-test' } })
  const login = await deviceToken({
    issuer: it.urls.issuer,
    client_id: CLI_CLIENT,
    scope: 'openid',
    resource: APPROVALS_RESOURCE,
    onCode: ({ uri }) => void signIn(uri, { name: 'anna', secret: it.operator_secret }),
  })
  token = login.token
}, 120_000)
afterAll(async () => {
  await it.end('SIGTERM')
  upstream.close()
  await clear(where)
})

async function api(path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(it.urls.pdp + path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(response.status, `${path}: ${await response.clone().text()}`).toBe(200)
  return (await response.json()) as Record<string, unknown>
}

const revision = async (): Promise<unknown> =>
  ((await (await fetch(`${it.urls.pdp}/health?ready`)).json()) as { revision: unknown }).revision

/** Policy that keeps everything, as it comes. */
async function recordFull(): Promise<void> {
  const before = await revision()
  await writeFile(join(where.root, 'rego', 'data', 'record.yaml'), `'*': full\n`)
  await expect.poll(revision, { timeout: 60_000 }).not.toBe(before)
}

async function send(): Promise<string> {
  const response = await fetch(`${it.urls.pep}/customers/customers`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${it.token}`,
      'content-type': 'application/json',
      'x-session-id': 'shred',
    },
    body: JSON.stringify(SSN),
  })
  expect(response.status, await response.text()).toBe(200)
  await expect
    .poll(async () => (await fetch(`${it.urls.pep}/metrics`)).text(), { timeout: 20_000 })
    .toMatch(/^countersign_journal_backlog_bytes 0$/m)
  const { sessions } = (await api('/v1/sessions?limit=1')) as { sessions: { id: string }[] }
  return sessions[0]?.id ?? ''
}

async function owner(): Promise<Sql> {
  const store = join(where.folder, 'store')
  const password = (await readFile(join(store, 'superuser.password'), 'utf8')).trim()
  const port = (await readFile(join(store, 'data', 'postmaster.pid'), 'utf8')).split('\n')[3]
  return postgres(`postgres://countersign:${password}@127.0.0.1:${port}/postgres`, { max: 1 })
}

/** How bytes look in text, hex, and base64 wherever they begin. */
function spellings(bytes: Buffer): string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const coded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replaceAll('=', '')
    // Without the characters that neighbours share.
    return coded.slice(offset === 0 ? 0 : offset + 1, coded.length - 1)
  })
  return [bytes.toString('latin1'), bytes.toString('hex'), ...base64]
}

const wanted = [SSN, SSN.replaceAll('-', '')].flatMap((text) => spellings(Buffer.from(text)))

/** Rows of every table that hold one of these texts. */
async function inTables(sql: Sql, texts: readonly string[]): Promise<string[]> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`
  expect(tables.length).toBeGreaterThan(15)
  const found: string[] = []
  for (const { name } of tables)
    for (const { row } of await sql.unsafe<{ row: string }[]>(
      `select t::text as row from ${name} t`,
    )) {
      for (const text of texts) if (row.includes(text)) found.push(`${name}: ${text}`)
    }
  return found
}

const nothing = Buffer.alloc(0)

/** Files below a folder that hold one of these texts. @param skip relative folder that is left out. */
async function inFiles(folder: string, texts: readonly string[], skip?: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = relative(folder, path)
    if (!entry.isFile() || (skip !== undefined && name.startsWith(skip))) continue
    // One that is gone by now was there only while another was written.
    const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return nothing
      throw error
    })
    const text = bytes.toString('latin1')
    for (const one of texts) if (text.includes(one)) found.push(`${name}: ${one}`)
  }
  return found
}

/** Everything in the log and its tables that could be a digest of something: 16 bytes or more, as hex. */
async function digests(sql: Sql): Promise<Set<string>> {
  const all = new Set<string>()
  const rows = await sql<{ row: string }[]>`
    select l::text as row from countersign.leaves l
    union all select k::text from countersign.session_keys k
    union all select r::text from countersign.sealed_records r
    union all select b::text from countersign.sealed_blocks b
    union all select a::text from countersign.approvals a`
  for (const { row } of rows) {
    for (const [text] of row.matchAll(/[0-9a-f]{32,}/g)) all.add(text.slice(0, 32))
    for (const [text] of row.matchAll(/[A-Za-z0-9+/_-]{22,}={0,2}/g))
      all.add(Buffer.from(text, 'base64').toString('hex').slice(0, 32))
  }
  return all
}

/** What a careless design would have hashed. */
function framings(body: Buffer): Buffer[] {
  const length = Buffer.from([0xa0 + body.length])
  return [
    body,
    Buffer.concat([Buffer.of(0), body]),
    Buffer.concat([Buffer.from('record\0'), body]),
    Buffer.concat([Buffer.from('block\0'), body]),
    Buffer.concat([length, body]),
    Buffer.concat([Buffer.from([0xc4, body.length]), body]),
    Buffer.from(JSON.stringify(body.toString())),
  ]
}

function guesses(body: Buffer, keys: readonly (string | Buffer)[]): string[] {
  const framed = framings(body)
  return [
    ...framed.map((bytes) => hash('sha256', bytes)),
    ...keys.flatMap((key) =>
      framed.map((bytes) => createHmac('sha256', key).update(bytes).digest('hex')),
    ),
  ]
}

/** Numbers that share the area with it, and the areas after that. */
function* candidates(): Generator<string> {
  for (let n = 0; n < CANDIDATES; n += 1) {
    const digits = String((536_220_000 + n) % 1_000_000_000).padStart(9, '0')
    yield `${digits.slice(0, 3)}-${digits.slice(3, 5)}-${digits.slice(5)}`
  }
}

test(
  'of an erased session whose body was one number, nothing tells the number',
  async () => {
    await recordFull()
    const session = await send()
    const sql = await owner()
    const keys = await sql<{ id: string; wrapped: Buffer }[]>`
      select id, wrapped from countersign.session_keys where session_id = ${session}`
    expect(keys.length).toBeGreaterThan(0)
    const sealed = await sql<{ sealed: Buffer }[]>`select sealed from countersign.sealed_records`
    expect(sealed.length).toBeGreaterThan(0)
    // It is on record: who may unmask it reads it.
    const { unmask } = await api(`/v1/sessions/${session}/unmask`, { reason: 'A test.' })
    const raw = JSON.stringify(
      await api(`/v1/sessions/${session}/steps?limit=100&unmask=${String(unmask)}`),
    )
    expect(raw).toContain(SSN)
    const leaves = (await sql`select count(*)::integer as n from countersign.leaves`)[0]?.[
      'n'
    ] as number

    const erased = await api('/v1/evidence/erase', { session, reason: 'Erasure request 7.' })
    expect(erased).toMatchObject({ keys: keys.length, scrubbed: true })
    expect(
      (await sql`select count(*)::integer as n from countersign.leaves`)[0]?.['n'],
    ).toBeGreaterThan(leaves)

    expect(await inTables(sql, wanted)).toEqual([])
    const secrets = keys.flatMap(({ wrapped }) => spellings(wrapped))
    expect(await inTables(sql, secrets)).toEqual([])
    const server = join('data', 'store', 'data')
    const before = { root: await inFiles(where.root, wanted, server) }
    expect(before.root).toEqual([])

    const known = await digests(sql)
    expect(known.size).toBeGreaterThan(20)
    const obvious = [
      '',
      session,
      SSN.slice(0, 3),
      Buffer.alloc(32),
      ...keys.map(({ id }) => Buffer.from(id, 'hex')),
    ]
    // It would be found: the same search with a plain digest among them.
    known.add(hash('sha256', SSN).slice(0, 32))
    const matches: string[] = []
    for (const candidate of candidates())
      for (const digest of guesses(Buffer.from(candidate), obvious))
        if (known.has(digest.slice(0, 32))) matches.push(`${candidate} ${digest}`)
    expect(matches).toEqual([`${SSN} ${hash('sha256', SSN)}`])

    // The server's own files: what is deleted may stay in them for a while, but only as it was kept: sealed.
    await sql`checkpoint`
    await sql`vacuum`
    await sql`checkpoint`
    expect(await inFiles(join(where.root, server), wanted)).toEqual([])
    const left = {
      'wrapped keys in the server’s files': await inFiles(
        join(where.root, server),
        keys.map(({ wrapped }) => wrapped.toString('latin1')),
      ),
      'sealed bytes in the server’s files': await inFiles(
        join(where.root, server),
        sealed.map((row) => row.sealed.toString('latin1')),
      ),
      'wrapped keys in the journal and elsewhere': await inFiles(
        where.root,
        keys.map(({ wrapped }) => wrapped.toString('latin1')),
        server,
      ),
    }
    for (const [what, files] of Object.entries(left))
      process.stdout.write(
        `${what}: ${files.map((file) => file.slice(0, file.indexOf(':'))).join(', ') || 'none'}\n`,
      )
    await sql.end()
  },
  Math.max(120_000, CANDIDATES),
)
