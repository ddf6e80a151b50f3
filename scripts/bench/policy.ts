import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPolicyData } from '../policy-data/read.ts'

/** The policy that is measured: the default one, with many grants. */

const GROUPS = 50

/** Tables of policy data with this many grants; their own and others for as many groups. */
export async function tablesWith(grants: number): Promise<Record<string, unknown>> {
  const sources = await readPolicyData('rego/data')
  const own = sources['grants'] as readonly object[]
  const more = Array.from({ length: grants - own.length }, (_, n) => ({
    id: `bench_${n}`,
    description: 'A grant among many.',
    who: { groups: [`group-${n % GROUPS}`] },
    connection: 'customers',
    http: {
      methods: ['GET', 'POST'],
      paths: [`/area-${Math.floor(n / GROUPS)}/items`, `/area-${n}/**`],
    },
  }))
  return { ...sources, grants: [...own, ...more] }
}

/** A folder of sources with so many grants. @returns its path. */
export async function sourcesWith(grants: number, folder: string): Promise<string> {
  const source = join(folder, 'rego')
  await rm(source, { recursive: true, force: true })
  await cp('rego', source, { recursive: true })
  // JSON is YAML.
  const tables = await tablesWith(grants)
  await writeFile(join(source, 'data', 'grants.yaml'), JSON.stringify(tables['grants']))
  return source
}

/** Replaced in `smallRequest` where requests are to differ. */
export const COUNTER = '@counter'

/** A decision request of about 640 bytes that one of those grants covers. */
export const smallRequest = (revision: string): unknown => ({
  subject: {
    type: 'agent',
    id: `agent-${COUNTER}`,
    properties: {
      issuer: 'https://login.example.com',
      groups: ['group-7'],
      scopes: ['openid'],
      claims: { sub: 'agent' },
    },
  },
  action: { name: 'http.request' },
  resource: {
    type: 'http.path',
    id: '/area-0/items',
    properties: { connection: 'customers', kind: 'http' },
  },
  context: {
    time_ms: 1_767_225_600_000,
    session: { id: 's' },
    source: {},
    facts: {
      detectors: {},
      phrases: [],
      paths: {},
      incomplete: [],
      http: {
        method: 'GET',
        path: '/area-0/items',
        segments: ['area-0', 'items'],
        query: {},
        body_bytes: 0,
        inspected: true,
      },
    },
    facts_revision: revision,
  },
})
