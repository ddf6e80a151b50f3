import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { DEMO_CLIENT_FILE } from '../dev/issuer.ts'
import { clientCredentialsToken } from '../tokens.ts'
import { CommandError, exitHelp, print } from './output.ts'

type Options = {
  readonly issuer?: string
  readonly clientId?: string
  readonly secretFile?: string
  readonly scope?: string
  readonly resource?: string
  readonly folder: string
  readonly json?: boolean
}

/** `countersign token`: an agent's token by client credentials. */
export function tokenCommand(): Command {
  return new Command('token')
    .description('get an agent a token by client credentials')
    .option('--issuer <url>', 'OpenID Connect issuer (default: the development issuer)')
    .option('--client-id <id>', 'client (default: the development issuer’s demo agent)')
    .option('--secret-file <file>', 'file with the client secret; or set COUNTERSIGN_CLIENT_SECRET')
    .option('--scope <scope>', 'scopes to ask for')
    .option('--resource <uri>', 'resource indicator (RFC 8707), for issuers that need one')
    .option('--folder <folder>', 'data folder of the development issuer', '.countersign')
    .option('--json', 'print { "access_token" }')
    .addHelpText(
      'after',
      `
Examples:
  export ANTHROPIC_AUTH_TOKEN=$(npx countersign token)
  COUNTERSIGN_CLIENT_SECRET=… npx countersign token --issuer https://login.example.com --client-id my-agent
${exitHelp}`,
    )
    .action(async (options: Options) => {
      const asked =
        options.issuer === undefined ? await demoClient(options.folder) : await named(options)
      try {
        const token = await clientCredentialsToken({
          ...asked,
          ...(options.scope !== undefined && { scope: options.scope }),
          ...(options.resource !== undefined && { resource: options.resource }),
        })
        print(options.json, { access_token: token }, () => token)
      } catch (cause) {
        const message = `${asked.issuer} gives no token: ${(cause as Error).message}`
        throw new CommandError('refused', message, { cause })
      }
    })
}

type Client = {
  readonly issuer: string
  readonly client_id: string
  readonly client_secret: string
}

async function demoClient(folder: string): Promise<Client> {
  const path = join(folder, DEMO_CLIENT_FILE)
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Client
  } catch (cause) {
    const message = `there is no ${path}: run npx countersign start first, or name --issuer and --client-id`
    throw new CommandError('usage', message, { cause })
  }
}

async function named({ issuer = '', clientId, secretFile }: Options): Promise<Client> {
  const secret =
    secretFile === undefined
      ? process.env['COUNTERSIGN_CLIENT_SECRET']
      : await readFile(secretFile, 'utf8')
  if (clientId === undefined || secret === undefined)
    throw new CommandError(
      'usage',
      'name --client-id, and --secret-file or COUNTERSIGN_CLIENT_SECRET',
    )
  return { issuer, client_id: clientId, client_secret: secret.trim() }
}
