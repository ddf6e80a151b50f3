import { Command } from 'commander'
import { exitHelp } from '../output.ts'
import { pdpOption, streamPdp } from '../pdp-api.ts'

export function checkpointCommand(): Command {
  return new Command('checkpoint')
    .description('print the newest checkpoint: a signed note to keep outside, as an anchor')
    .addOption(pdpOption())
    .addHelpText(
      'after',
      `\nExample:\n  npx countersign evidence checkpoint >> /mnt/elsewhere/anchors.txt${exitHelp}`,
    )
    .action(async ({ pdp }: { readonly pdp: string }) => {
      const parts: Uint8Array[] = []
      for await (const part of await streamPdp(pdp, '/v1/evidence/checkpoint', 'text/plain'))
        parts.push(part)
      // A blank line in front, so that several in one file stay apart.
      process.stdout.write(`\n${Buffer.concat(parts).toString()}`)
    })
}
