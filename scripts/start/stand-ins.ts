import { readSecret } from '../../server/secret.ts'
import type { PepConfig } from '../../pep/config.ts'
import type { Log } from '../../server/log.ts'
import { type RunningStandIn, standInNames, startStandInOf } from '../dev/stand-ins.ts'
import { StartError } from './config.ts'

type Env = Readonly<Record<string, string | undefined>>

export type StandIns = {
  /** By connection. */
  readonly running: Readonly<Record<string, RunningStandIn>>
  /** The configuration with those connections pointed at them. */
  readonly config: PepConfig
  /** The environment with their credentials. */
  readonly env: Env
}

/** In development, a connection that names a stand-in and whose credential is not set is answered by that stand-in. */
export async function startStandIns(config: PepConfig, env: Env, log: Log): Promise<StandIns> {
  const running: Record<string, RunningStandIn> = {}
  const connections = { ...config.connections }
  const extended: Record<string, string | undefined> = { ...env }
  for (const [name, connection] of Object.entries(config.connections)) {
    const { stand_in, credential } = connection
    if (stand_in === undefined || !credential || !config.development) continue
    if ((await readSecret(credential.from, env)).ok) continue
    const into = { header: credential.header, prefix: credential.prefix }
    const started = await startStandInOf(stand_in, into)
    if (!started) {
      const known = standInNames.join(', ')
      throw new StartError(`connections.${name}.stand_in: there is no ${stand_in}, only ${known}`)
    }
    const variable = `COUNTERSIGN_STAND_IN_${name.toUpperCase().replaceAll('-', '_')}`
    extended[variable] = started.secret
    running[name] = started
    connections[name] = {
      ...connection,
      upstream: new URL(started.url),
      credential: { ...credential, from: { env: variable } },
    }
    log('warn', 'stand_in.started', { connection: name, url: started.url })
  }
  return { running, config: { ...config, connections }, env: extended }
}
