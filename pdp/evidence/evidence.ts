import type { Log } from '../../server/log.ts'
import type { Unwrapper, Wrapper } from '../../sealing/wrapper.ts'
import { type ApprovalVault, createApprovalVault } from '../approvals/vault.ts'
import type { SealedRecord } from '../contract/record.ts'
import { createAdminister } from '../decide/administer.ts'
import type { PdpMetrics } from '../metrics.ts'
import type { CurrentPolicy } from '../policy/policy.ts'
import type { Store } from '../store/store.ts'
import { type Administration, createAdministration } from './administration.ts'
import type { Anchor } from './anchors/anchor.ts'
import { type Checkpointer, createCheckpointer } from './checkpointer.ts'
import { createLabels } from './labels.ts'
import { createReader, type Reader } from './reader.ts'
import type { Signer } from './signer.ts'
import { createWebhookSink, type SinkStatus, type WebhookSink } from './sinks/webhook.ts'
import type { SinkMetrics } from './sinks/metrics.ts'
import { createSteps, type Steps } from './steps.ts'
import type { ViewMask } from './view-mask.ts'

/** What evidence needs from outside of the decision service; whoever starts the process passes it in. */
export type EvidenceParts = {
  /** Wraps and opens keys of content under the master key. */
  readonly wrapper: Wrapper
  readonly unwrapper: Unwrapper
  /** Masks what people look at; without it nothing of content is shown but to who may unmask. */
  readonly mask?: ViewMask
  /** Sign checkpoints; the first is the one that counts, others are being rotated out or in. */
  readonly signers: readonly [Signer, ...Signer[]]
  /** Name of the log. */
  readonly origin: string
  readonly anchors: readonly Anchor[]
  /** Where this machine keeps what it signed. */
  readonly folder: string
  readonly sinks: readonly SinkTarget[]
}

export type SinkTarget = {
  readonly name: string
  readonly url: string
  readonly secret: string
  readonly kinds?: readonly string[] | undefined
  readonly batch: number
}

export type Evidence = {
  readonly vault: ApprovalVault
  readonly reader: Reader
  readonly steps: Steps
  readonly administration: Administration
  readonly checkpoints: Checkpointer
  readonly sinks: () => Readonly<Record<string, SinkStatus>>
  /** Told of records that are now in the log. */
  readonly onAppended: (records: readonly SealedRecord[]) => void
  readonly close: () => Promise<void>
}

export type EvidenceOptions = EvidenceParts & {
  readonly store: Store
  readonly policy: CurrentPolicy
  /** Name of this service in leaves. */
  readonly name: string
  readonly metrics: Pick<PdpMetrics, 'checkpoints' | 'signed_size' | 'sinks'>
  readonly log: Log
  readonly now: () => number
}

/** Composes what reads, signs and sends the log. */
export function createEvidence(options: EvidenceOptions): Evidence {
  const { store, policy, name, metrics, log, now, wrapper, unwrapper, mask } = options
  const vault = createApprovalVault(wrapper, unwrapper)
  const reader = createReader(store.keys, unwrapper)
  const sinks = new Map(
    options.sinks.map((target) => [target.name, openSink(target, options, metrics.sinks)]),
  )
  const checkpoints = createCheckpointer({
    store: store.log,
    signers: options.signers,
    origin: options.origin,
    anchors: options.anchors,
    folder: options.folder,
    pdp: name,
    // Also of what this service itself says, and at the start of what was left.
    onSigned({ size }) {
      for (const sink of sinks.values()) sink.wake(size)
    },
    log,
    metrics,
    now,
  })
  const label = createLabels(reader, store.sessions, log)
  return {
    vault,
    reader,
    steps: createSteps({ store, reader, vault, mask }),
    administration: createAdministration({
      administer: createAdminister({ policy, now }),
      log: store.log,
      source: name,
      now,
    }),
    checkpoints,
    sinks: () => Object.fromEntries([...sinks].map(([one, sink]) => [one, sink.status()])),
    onAppended(records) {
      label(records)
      for (const sink of sinks.values()) sink.wake()
    },
    async close() {
      await Promise.all([...sinks.values()].map((sink) => sink.close()))
      await checkpoints.close()
    },
  }
}

function openSink(
  target: SinkTarget,
  { store, name, log, now }: EvidenceOptions,
  metrics: SinkMetrics,
): WebhookSink {
  return createWebhookSink({
    ...target,
    source: { leaves: store.log.leaves, size: store.log.size },
    position: {
      read: () => store.sinks.read(target.name),
      write: (next) => store.sinks.write(target.name, next),
    },
    onFailing: async ({ sink, ...detail }) => {
      const source = { pdp: name }
      const leaf = { name: 'sink.failed', detail: { sink, ...detail } }
      await store.log.append([{ v: 1, kind: 'event', time_ms: now(), source, ...leaf }])
    },
    log,
    now,
    metrics,
  })
}
