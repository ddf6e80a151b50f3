import { randomBytes } from 'node:crypto'
import { startStandInClaude } from './stand-in-claude.ts'
import { startStandInCustomers } from './stand-in-customers.ts'
import type { StandIn, StandInCredential } from './stand-in-server.ts'

const known = { claude: startStandInClaude, customers: startStandInCustomers } as const

/** Names that `stand_in` of a connection may say. */
export const standInNames: readonly string[] = Object.keys(known)

/** A stand-in with a credential made for it, which the enforcement point injects as it would the real one. */
export type RunningStandIn = StandIn & {
  readonly credential: StandInCredential
  /** The credential without the connection's prefix: what its source would hold. */
  readonly secret: string
}

/**
 * Starts the stand-in of a connection on a free port.
 * @param into where the connection's credential goes: header, lower case, and prefix.
 * @returns `undefined` when there is none of that name.
 */
export async function startStandInOf(
  name: string,
  into: { readonly header: string; readonly prefix?: string | undefined },
): Promise<RunningStandIn | undefined> {
  const start = Object.hasOwn(known, name) ? known[name as keyof typeof known] : undefined
  if (!start) return undefined
  const secret = `stand-in-${randomBytes(24).toString('base64url')}`
  const credential = { header: into.header, value: `${into.prefix ?? ''}${secret}` }
  return { ...(await start({ credential })), credential, secret }
}
