import { Command } from 'commander'
import { isIncluded } from '../../../pdp/evidence/merkle/verify.ts'
import { leafHash } from '../../../pdp/evidence/merkle/hash.ts'
import { readCheckpoint } from '../../../pdp/evidence/checkpoint.ts'
import { CommandError, exitHelp, print, shown } from '../output.ts'
import { callPdp, pdpOption } from '../pdp-api.ts'

type Proof = {
  readonly index: number
  readonly leaf: string
  readonly hash: string
  readonly size: number
  readonly proof: readonly string[]
  readonly checkpoint?: string
}

export function proofCommand(): Command {
  return new Command('proof')
    .argument('<index>', 'of a leaf; sessions show prints it behind #')
    .description('a leaf, and the proof that it is in the log of the newest checkpoint')
    .addOption(pdpOption())
    .option('--json', 'print JSON')
    .addHelpText('after', `\nExample:\n  npx countersign evidence proof 1041${exitHelp}`)
    .action(
      async (index: string, { pdp, json }: { readonly pdp: string; readonly json?: boolean }) => {
        if (!/^\d{1,15}$/.test(index)) throw new CommandError('usage', 'say the number of a leaf')
        const proof = await callPdp<Proof>(pdp, 'GET', `/v1/evidence/leaves/${index}`)
        const holds = check(proof)
        print(json, { ...proof, holds }, () => described(proof, holds))
        if (holds === false) throw new CommandError('failed', 'the proof does not hold')
      },
    )
}

/** @returns undefined where there is no checkpoint to hold it against. */
function check({ index, leaf, size, proof, checkpoint }: Proof): boolean | undefined {
  const read = checkpoint === undefined ? undefined : readCheckpoint(checkpoint)
  if (!read?.ok) return undefined
  return isIncluded({
    index,
    size,
    leaf: leafHash(leaf),
    root: read.value.root,
    proof: proof.map((hash) => Buffer.from(hash, 'hex')),
  })
}

function described(proof: Proof, holds: boolean | undefined): string {
  const verdict =
    holds === undefined
      ? 'no checkpoint has it yet: ask again in a second'
      : holds
        ? `is leaf ${proof.index} of the ${proof.size} under this checkpoint:`
        : 'is NOT under this checkpoint:'
  return [
    shown(JSON.stringify(JSON.parse(proof.leaf), undefined, 2)),
    '',
    verdict,
    ...(proof.checkpoint === undefined ? [] : ['', shown(proof.checkpoint).trimEnd()]),
  ].join('\n')
}
