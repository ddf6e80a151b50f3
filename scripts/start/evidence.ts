import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Log } from '../../server/log.ts'
import type { MasterKey } from '../../sealing/master-key.ts'
import { createUnwrapper, type Wrapper } from '../../sealing/wrapper.ts'
import type { PdpConfig } from '../../pdp/config.ts'
import { openAnchor } from '../../pdp/evidence/anchors/open.ts'
import type { EvidenceParts, SinkTarget } from '../../pdp/evidence/evidence.ts'
import { openSigner, type Signer, type SignerConfig } from '../../pdp/evidence/signer.ts'
import type { Store } from '../../pdp/store/store.ts'
import type { CustomDetector } from '../../pdp/contract/profile.ts'
import { createViewMask } from './view-mask.ts'
import { keepPrivate } from '../private-file.ts'
import { StartError, within } from './config.ts'
import { required } from './secrets.ts'

export type EvidenceOptions = {
  readonly config: PdpConfig['pdp']['evidence']
  readonly store: Store
  readonly master: MasterKey
  readonly wrapper: Wrapper
  /** Detectors of the active policy. */
  readonly customs: () => readonly CustomDetector[]
  /** The service's own folder. */
  readonly folder: string
  /** Where relative paths of the configuration begin. */
  readonly base: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

/** What signs the log, sends it out and opens what is sealed. @throws {StartError} */
export async function startEvidence(options: EvidenceOptions): Promise<EvidenceParts> {
  const { config, store, master, wrapper, customs, base, env, log } = options
  const folder = join(options.folder, 'evidence')
  const name = await keepPrivate(join(folder, 'origin'), newOrigin)
  const origin = config.origin ?? name.trim()
  const sinks: SinkTarget[] = []
  for (const { secret, ...sink } of config.sinks) {
    const value = await required(secret, env, `pdp.evidence.sinks ${sink.name} secret`)
    sinks.push({ ...sink, secret: value })
  }
  const anchors = config.anchors.map((anchor) => {
    const located = 'file' in anchor ? { ...anchor, file: within(base, anchor.file) } : anchor
    const opened = openAnchor(located, { store: store.log, env, log })
    if (!opened.ok) throw new StartError(`pdp.evidence.anchors: ${opened.error}`)
    return opened.value
  })
  const unwrapper = createUnwrapper(master)
  const signers = await signersOf(config.signing_keys, folder, origin, env)
  const mask = createViewMask({ customs })
  return { wrapper, unwrapper, mask, signers, origin, anchors, folder, sinks }
}

/** A name that no other log has. */
const newOrigin = (): Promise<string> =>
  Promise.resolve(`countersign/${randomBytes(8).toString('hex')}`)

/** Keys of the configuration, else one that is made at the first start and kept 0600. */
async function signersOf(
  configured: readonly SignerConfig[] | undefined,
  folder: string,
  origin: string,
  env: EvidenceOptions['env'],
): Promise<readonly [Signer, ...Signer[]]> {
  const path = join(folder, 'signing-key')
  const make = (): Promise<string> => Promise.resolve(randomBytes(32).toString('base64'))
  if (!configured) await keepPrivate(path, make)
  const signers: Signer[] = []
  for (const config of configured ?? [{ file: path }]) {
    const signer = await openSigner(config, origin, env)
    if (!signer.ok) throw new StartError(`pdp.evidence.signing_keys: ${signer.error}`)
    signers.push(signer.value)
  }
  const [first, ...others] = signers
  if (!first) throw new StartError('pdp.evidence.signing_keys: name one')
  return [first, ...others]
}
