import { randomBytes } from 'node:crypto'
import { commitment, contentKey, KEY_BYTES, open, seal } from '../../sealing/envelope.ts'
import type { Unwrapper, Wrapper } from '../../sealing/wrapper.ts'
import { actionDigest, type CanonicalAction, canonicalJson } from '../contract/action.ts'
import type { Reason } from '../contract/decision.ts'
import { err, ok, type Result } from '../contract/result.ts'
import type { ApprovalContent, ApprovalRow } from '../store/store.ts'

/** What approvers are shown. */
export type Shown = { readonly action: CanonicalAction; readonly reasons: readonly Reason[] }

type Owner = Pick<ApprovalRow, 'id' | 'session_id' | 'connection'>

/** Keeps what is asked for sealed, each under a key of its own, so that it can be erased alone. */
export type ApprovalVault = {
  readonly seal: (owner: Owner, shown: Shown) => ApprovalContent
  /** @returns a sentence that says why it cannot be shown: nobody may approve it then. */
  readonly open: (row: ApprovalRow) => Promise<Result<Shown, string>>
}

export function createApprovalVault(wrapper: Wrapper, unwrapper: Unwrapper): ApprovalVault {
  return {
    seal({ id, session_id, connection }, shown) {
      const secret = randomBytes(KEY_BYTES)
      const key = contentKey(id, secret)
      return {
        sealed: seal(key, 'record', Buffer.from(JSON.stringify(shown))),
        wrapped_key: wrapper.wrap({ id, session_id, connection }, secret),
        commitment: Buffer.from(
          commitment(key, 'action', Buffer.from(canonicalJson(shown.action))),
          'hex',
        ),
      }
    },
    async open({ id, session_id, connection, demanded_ms, action_digest, content }) {
      if (!content) return err('what was asked for was erased')
      const secret = await unwrapper.unwrap({
        id,
        session_id,
        connection,
        created_ms: demanded_ms,
        wrapped: content.wrapped_key,
      })
      if (!secret.ok) return secret
      const key = contentKey(id, secret.value)
      const opened = open(key, 'record', content.sealed)
      if (!opened.ok) return opened
      // Sealed by nobody but us, under a key of this approval.
      const shown = JSON.parse(opened.value.toString()) as Shown
      const committed = commitment(key, 'action', Buffer.from(canonicalJson(shown.action)))
      if (committed !== Buffer.from(content.commitment).toString('hex'))
        return err('it is not what the log says was asked for')
      // What is approved is what has this digest; nobody approves one thing and is shown another.
      return actionDigest(shown.action) === action_digest
        ? ok(shown)
        : err('it is not what an approval would let through')
    },
  }
}
