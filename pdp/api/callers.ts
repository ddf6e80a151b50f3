import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Identity } from '../../identity/claims.ts'
import type { Verifier } from '../../identity/verifier.ts'
import { err, ok, type Result } from '../contract/result.ts'
import { type Problem, problem } from './problem.ts'

/** Who may call: enforcement points by a token of their own, people by an approver's token of their issuer. */
export type Callers = {
  /** @returns the enforcement point's name. */
  readonly pep: (incoming: IncomingMessage) => Result<string, Problem>
  /** An agent's token never suffices: approvers' tokens have an audience of their own. */
  readonly person: (incoming: IncomingMessage) => Promise<Result<Identity, Problem>>
}

/** @param peps token by name. @param verifier of the issuers under `pdp.approvals`. */
export function createCallers(peps: ReadonlyMap<string, string>, verifier: Verifier): Callers {
  const digest = (token: string): Buffer => hash('sha256', token, 'buffer')
  const known = [...peps].map(([name, token]) => ({ name, digest: digest(token) }))
  return {
    pep(incoming) {
      const token = bearer(incoming)
      const shown = token === undefined ? undefined : digest(token)
      // Digests of equal length, each compared in constant time.
      const found = shown && known.filter((one) => timingSafeEqual(one.digest, shown))[0]
      return found ? ok(found.name) : err(unauthenticated('an enforcement point’s token'))
    },
    async person(incoming) {
      const token = bearer(incoming)
      if (token === undefined)
        return err(unauthenticated('an approver’s token; see countersign login'))
      const identity = await verifier.verify(token)
      return identity.ok
        ? identity
        : err(
            problem(
              401,
              'PDP_UNAUTHENTICATED',
              `the token is not accepted: ${identity.error.message}`,
            ),
          )
    },
  }
}

const unauthenticated = (what: string): Problem =>
  problem(401, 'PDP_UNAUTHENTICATED', `send Authorization: Bearer with ${what}`)

/** Exactly one; Node joins repeated headers, and a joined one is no token. */
function bearer(incoming: IncomingMessage): string | undefined {
  const count = incoming.rawHeaders.filter(
    (name, at) => at % 2 === 0 && name.toLowerCase() === 'authorization',
  ).length
  if (count !== 1) return undefined
  return /^bearer +([^\s,]+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
}
