import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Gateway, startGateway } from '../bench/gateway.ts'
import { freePort } from '../bench/processes.ts'
import { builtinNames } from '../../pep/mask/types.ts'
import { buildBundle } from '../build-bundle.ts'
import { readPolicyData } from '../policy-data/read.ts'

/** Countersign itself, in front of the stand-in, with a policy that masks every answer with every detector. */
export type Self = {
  readonly target: URL
  readonly token: string
  readonly pid: number
  readonly stop: () => Promise<void>
}

const CREDENTIAL = 'LEAKCHECK_UPSTREAM_CREDENTIAL'

const masks = [
  {
    id: 'everything',
    description: 'Whatever has a form never reaches an agent.',
    connections: ['*'],
    where: 'response',
    detectors: [...builtinNames],
    style: 'redact',
  },
]

const grants = [
  {
    id: 'agents_use_claude',
    description: 'Tool calls are allowed, so that their inputs are masked and released.',
    who: { groups: ['agents'] },
    connection: 'claude',
    anthropic: { models: ['claude-*'], tools: ['*'] },
  },
]

/**
 * @param upstream the stand-in's base.
 * @param options without masks everything passes as it is; the credential that the upstream wants.
 * @throws {Error} when it cannot be built or started.
 */
export async function startSelf(
  upstream: string,
  { masked = true, credential = 'leakcheck-upstream-credential' } = {},
): Promise<Self> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-leakcheck-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  let gateway: Gateway
  try {
    const bundle = await bundleIn(folder, masked ? masks : [])
    gateway = await startGateway(
      {
        development: true,
        pdp: { listen: `127.0.0.1:${await freePort()}`, bundle },
        pep: { listen: [{ address: `127.0.0.1:${await freePort()}` }] },
        connections: {
          claude: {
            kind: 'anthropic',
            upstream,
            credential: { header: 'x-api-key', from: { env: CREDENTIAL } },
          },
        },
      },
      { env: { [CREDENTIAL]: credential } },
    )
  } catch (error) {
    await remove()
    throw error
  }
  return {
    target: new URL(`${gateway.urls.pep}/claude`),
    token: gateway.token,
    pid: gateway.pid,
    stop: async () => {
      await gateway.stop()
      await remove()
    },
  }
}

/** The rules as they are, with tables of our own. @returns the bundle's path. */
async function bundleIn(folder: string, masked: typeof masks): Promise<string> {
  const source = join(folder, 'rego')
  await cp('rego', source, { recursive: true })
  const sources = await readPolicyData('rego/data')
  // Other tables name their connections.
  const others = (sources['grants'] as readonly { readonly connection: string }[]).filter(
    ({ connection }) => connection !== 'claude',
  )
  // JSON is YAML.
  await writeFile(join(source, 'data', 'masks.yaml'), JSON.stringify(masked))
  await writeFile(join(source, 'data', 'grants.yaml'), JSON.stringify([...others, ...grants]))
  const { path } = await buildBundle({ source, out: join(folder, 'bundle.tar.gz'), cases: false })
  return path
}
