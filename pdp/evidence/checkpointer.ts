import type { Log } from '../../server/log.ts'
import type { Anchor, AnchorStatus } from './anchors/anchor.ts'
import { checkpointText, openCheckpoint } from './checkpoint.ts'
import { headTree, type Relation, relationOf } from './extends.ts'
import { keyLeaf } from './key-leaf.ts'
import { openKnown, type Tree, treeName } from './known.ts'
import type { LogStore, SignedCheckpoint } from './log-store.ts'
import { formatNote, signatureLine } from './note.ts'
import type { Signer } from './signer.ts'

export type CheckpointerOptions = {
  readonly store: LogStore
  /** Each signs every checkpoint; the first is the one that leaves are told under. While keys rotate: new and old. */
  readonly signers: readonly [Signer, ...Signer[]]
  /** Names the log; the first line of every checkpoint. */
  readonly origin: string
  readonly anchors: readonly Anchor[]
  /** Where this process keeps what it signed, apart from the database; no other one writes there. */
  readonly folder: string
  /** Names this process in the leaves that it appends. */
  readonly pdp?: string
  /** Told of each new checkpoint: the log has grown. Must not throw. */
  readonly onSigned?: (checkpoint: SignedCheckpoint) => void
  readonly log: Log
  readonly metrics?: CheckpointMetrics
  readonly now?: () => number
  readonly every_ms?: number
}

/** What is counted; counters and gauges of Prometheus fit. */
export type CheckpointMetrics = {
  readonly checkpoints: {
    readonly inc: (labels: { readonly result: 'signed' | 'failed' | 'refused' }) => void
  }
  readonly signed_size: { readonly set: (size: number) => void }
}

export type Alarm = {
  readonly code: Exclude<Relation, 'extends'>
  /** The checkpoint that the log should extend. */
  readonly known: Tree
  readonly found: Tree
  readonly at_ms: number
}

export type CheckpointerStatus = {
  /** `starting`: nothing was tried yet; `failing`: the newest attempt ended in `problem`, and is made again. */
  readonly state: 'starting' | 'ok' | 'failing' | 'rolled_back' | 'forked'
  /** The newest that was signed here or found signed. */
  readonly size?: number
  readonly at_ms?: number
  readonly problem?: string
  readonly alarm?: Alarm
  readonly anchors: readonly AnchorStatus[]
}

export type Checkpointer = {
  /** Signs now what is not signed yet. @returns the newest checkpoint; `undefined` when nothing may be signed. */
  readonly flush: () => Promise<SignedCheckpoint | undefined>
  readonly status: () => CheckpointerStatus
  /**
   * Gives up the checkpoint that the log does not extend, and says so in the log. For a person who knows why: after a
   * restored backup, say. @returns whether `alarm` still stood: one that came after it is another decision.
   */
  readonly resume: (ended: {
    readonly alarm: Alarm
    readonly by: unknown
    readonly reason: string
  }) => Promise<boolean>
  /** Signs a last time and lets the anchors deliver. */
  readonly close: () => Promise<void>
}

/**
 * Signs what the head row says, about every second, after a proof that it extends every checkpoint known here: the last
 * one signed on this machine and the newest in the store. What does not extend them is never signed; only a person
 * on this machine can end that, for whoever owns the database can write any leaf. Several processes may do all this
 * at once with the same keys.
 */
export function createCheckpointer(options: CheckpointerOptions): Checkpointer {
  const { store, signers, origin, anchors, log, metrics, now = Date.now } = options
  const { every_ms = 1000, pdp = origin } = options
  const known = openKnown(options.folder)
  const keys = signers.map(({ key }) => key)
  let state: CheckpointerStatus['state'] = 'starting'
  let problem: string | undefined
  let alarm: Alarm | undefined
  let signed: SignedCheckpoint | undefined
  let keysTold = false
  let queue: Promise<unknown> = Promise.resolve()

  /** One thing at a time. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = queue.then(run)
    queue = turn.catch(() => undefined)
    return turn
  }

  async function attempt(): Promise<SignedCheckpoint | undefined> {
    if (alarm) return undefined
    try {
      const checkpoint = await checkAndSign()
      if (alarm) return undefined
      if (state === 'failing') log('info', 'evidence.checkpoints_recovered', {})
      state = 'ok'
      problem = undefined
      return checkpoint
    } catch (error) {
      // Nothing is signed, and it is tried again: the store or the signer may be away for a while.
      const message = error instanceof Error ? error.message : String(error)
      if (message !== problem) log('error', 'evidence.checkpoint_failed', { error: message })
      state = 'failing'
      problem = message
      metrics?.checkpoints.inc({ result: 'failed' })
      return undefined
    }
  }

  async function checkAndSign(): Promise<SignedCheckpoint | undefined> {
    let checked = await check()
    if (!checked) return undefined
    if (!keysTold) {
      const leaf = await keyLeaf(store, keys, pdp, now())
      if (leaf) {
        await store.append([leaf])
        checked = await check()
        if (!checked) return undefined
      }
      keysTold = true
    }
    const { head, newest } = checked
    if (newest && newest.size === head.size) return adopt(newest)
    if (head.size === 0) return undefined
    if (signed && signed.size === head.size) return signed
    return sign(head)
  }

  /**
   * Proves that the head extends all that was signed before. In this order, so that another process that signs
   * meanwhile looks like no roll-back: a head that is read later is not smaller.
   * @returns `undefined` after an alarm.
   */
  async function check(): Promise<
    { head: Tree; newest: SignedCheckpoint | undefined } | undefined
  > {
    const last = await known.last(origin)
    if (!last.ok) throw new Error(last.error)
    const givenUp = await known.givenUp()
    const found = await store.checkpoints.newest()
    const newest = found && !givenUp.has(treeName(found)) ? found : undefined
    const head = await headTree(store)
    const trees = [signed, last.value, newest].filter((tree) => tree !== undefined)
    for (const [name, before] of new Map(trees.map((tree) => [treeName(tree), tree]))) {
      if (givenUp.has(name)) continue
      const relation = await relationOf(store, before, head)
      if (relation === 'extends') continue
      raise({
        code: relation,
        known: { size: before.size, root: before.root },
        found: head,
        at_ms: now(),
      })
      return undefined
    }
    return { head, newest }
  }

  function raise(found: Alarm): void {
    alarm = found
    state = found.code
    metrics?.checkpoints.inc({ result: 'refused' })
    log('error', `evidence.${found.code}`, detailOf(found))
  }

  /** Another process signed this very head, or this one did before it ended. */
  async function adopt(newest: SignedCheckpoint): Promise<SignedCheckpoint | undefined> {
    if (signed && signed.size === newest.size) return signed
    // Its size and root were checked; its note goes to anchors only under a key of ours.
    if (!openCheckpoint(newest.note, keys, origin).ok) return sign(newest)
    await known.keep(newest.note)
    publish(newest)
    return newest
  }

  async function sign(head: Tree): Promise<SignedCheckpoint> {
    const text = checkpointText({ origin, ...head })
    const lines = await Promise.all(
      signers.map(async (signer) => signatureLine(signer.key, await signer.sign(text))),
    )
    const note = formatNote(text, lines)
    // First here: what the store has must never be newer than what this machine remembers to have signed.
    await known.keep(note)
    const checkpoint = { size: head.size, root: head.root, note, at_ms: now() }
    await store.checkpoints.add(checkpoint)
    metrics?.checkpoints.inc({ result: 'signed' })
    publish(checkpoint)
    return checkpoint
  }

  function publish(checkpoint: SignedCheckpoint): void {
    signed = checkpoint
    metrics?.signed_size.set(checkpoint.size)
    for (const anchor of anchors) anchor.offer(checkpoint)
    options.onSigned?.(checkpoint)
  }

  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    void inTurn(attempt).finally(() => (busy = false))
  }, every_ms).unref()

  return {
    flush: () => inTurn(attempt),
    status: () => ({
      state,
      ...(signed && { size: signed.size, at_ms: signed.at_ms }),
      ...(problem !== undefined && { problem }),
      ...(alarm && { alarm }),
      anchors: anchors.map((anchor) => anchor.status()),
    }),
    resume: ({ alarm: meant, by, reason }) =>
      inTurn(async () => {
        if (!alarm || treeName(alarm.known) !== treeName(meant.known)) return false
        const detail = { ...detailOf(alarm), by, reason }
        await store.append([
          { v: 1, kind: 'event', time_ms: now(), source: { pdp }, name: 'log.resumed', detail },
        ])
        await known.giveUp(alarm.known)
        log('warn', 'evidence.resumed', detail)
        if (signed && treeName(signed) === treeName(alarm.known)) signed = undefined
        alarm = undefined
        state = 'starting'
        keysTold = false
        await attempt()
        return true
      }),
    async close() {
      clearInterval(timer)
      await inTurn(attempt)
      await Promise.all(anchors.map((anchor) => anchor.close()))
    },
  }
}

const detailOf = ({ known, found }: Alarm): Record<string, unknown> => ({
  known_size: known.size,
  known_root: Buffer.from(known.root).toString('hex'),
  found_size: found.size,
  found_root: Buffer.from(found.root).toString('hex'),
})
