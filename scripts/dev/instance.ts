import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { startCountersign } from '../start/start.ts'
import type { RunningStandIn } from './stand-ins.ts'

/** A whole Countersign of its own, for the demo and for trials: free ports, stand-ins, nothing shared. */
export type Instance = {
  readonly pep: string
  readonly pdp: string
  readonly issuer: string
  readonly operator_secret: string
  readonly agentToken: () => Promise<string>
  readonly stand_ins: { readonly claude: RunningStandIn; readonly customers: RunningStandIn }
  readonly close: () => Promise<void>
}

export type InstanceOptions = {
  /** Of its own, empty. */
  readonly folder: string
  /** Another policy than the default; a path. */
  readonly bundle?: string
}

const root = join(import.meta.dirname, '..', '..')

/** Starts what countersign.yaml describes, on other addresses, with every upstream a stand-in. */
export async function startInstance({ folder, bundle }: InstanceOptions): Promise<Instance> {
  const config = parse(await readFile(join(root, 'countersign.yaml'), 'utf8')) as {
    readonly pdp: object
    readonly pep: object
  }
  const running = await startCountersign({
    config: {
      ...config,
      development: true,
      pdp: {
        ...config.pdp,
        listen: '127.0.0.1:0',
        bundle: bundle ?? join(root, 'bundles/default.tar.gz'),
      },
      pep: {
        ...config.pep,
        listen: [{ address: '127.0.0.1:0' }],
        journal: { folder: join(folder, 'journal') },
      },
    },
    folder: join(folder, 'data'),
    // No credential of this machine is found, so none is used: every connection gets its stand-in.
    env: {},
    log: () => {},
    ports: { issuer: 0 },
  })
  // By connection.
  const { claude, customers }: Readonly<Record<string, RunningStandIn>> = running.stand_ins
  const { issuer } = running
  if (!claude || !customers || !issuer || !running.urls.pep || !running.urls.pdp) {
    await running.close()
    throw new Error('the instance has no stand-ins or no issuer')
  }
  return {
    pep: running.urls.pep,
    pdp: running.urls.pdp,
    issuer: issuer.url,
    operator_secret: issuer.operator_secret,
    agentToken: running.agentToken,
    stand_ins: { claude, customers },
    close: running.close,
  }
}
