import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decisionRequest } from '../../pdp/contract/request.ts'
import { regoFiles } from '../policy-data/evaluate-opa.ts'
import { readPolicyData } from '../policy-data/read.ts'
import { prepareData } from '../prepare-data.ts'

/** The request that is measured: an agent creates a customer, the answer holds an address that is masked. */

export const ADDRESS = ['ada.lovelace', 'example.com'].join('@')

/** 1.9 KB of JSON. */
export const requestBody = JSON.stringify({
  name: 'Ada Lovelace',
  company: 'Example Analytical Engines',
  notes: 'A customer since the beginning, who reads every line of every invoice. '.repeat(25),
  tags: ['priority', 'europe'],
}).padEnd(1900, ' ')

/** About 1 KB of JSON. */
export const answerBody = JSON.stringify({
  id: 4711,
  name: 'Ada Lovelace',
  email: ADDRESS,
  status: 'created',
  history: Array.from({ length: 12 }, (_, n) => ({
    at: 1_700_000_000 + n,
    event: `step ${n} done`,
  })),
  notes: 'Nothing else in this answer has to be hidden. '.repeat(6),
})

/** The decision request that the enforcement point makes of it. @param revision the facts' revision. */
export function decisionInput(revision: string): unknown {
  const input = {
    subject: {
      type: 'agent',
      id: 'demo-agent',
      properties: {
        issuer: 'http://127.0.0.1:8182',
        groups: ['agents'],
        scopes: ['openid'],
        claims: { sub: 'demo-agent', aud: 'countersign', client_id: 'demo-agent' },
      },
    },
    action: { name: 'http.request' },
    resource: {
      type: 'http.path',
      id: '/customers',
      properties: { connection: 'customers', kind: 'http' },
    },
    context: {
      time_ms: 1_767_225_600_000,
      session: { id: 'c2Vzc2lvbi0x' },
      source: { address: '127.0.0.1', listener: '127.0.0.1:8080' },
      facts: {
        detectors: {},
        phrases: [],
        paths: {},
        incomplete: [],
        http: {
          method: 'POST',
          path: '/customers',
          segments: ['customers'],
          query: {},
          content_type: 'application/json',
          body_bytes: Buffer.byteLength(requestBody),
          inspected: true,
        },
      },
      facts_revision: revision,
      action_digest: '1'.repeat(64),
    },
  }
  return decisionRequest.parse(input)
}

/** What `opa run` loads: the rules, and in `folder` the data as the bundle has it. */
export async function policyForOpa(folder: string): Promise<string[]> {
  const { data } = prepareData(await readPolicyData('rego/data'))
  const path = join(folder, 'data.json')
  await writeFile(path, JSON.stringify(data))
  return [path, ...(await regoFiles('rego/countersign'))]
}
