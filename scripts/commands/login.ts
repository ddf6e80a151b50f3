import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { DEMO_CLIENT_FILE } from '../dev/issuer.ts'
import { APPROVALS_RESOURCE, CLI_CLIENT } from '../dev/issuer-provider.ts'
import { deviceToken } from '../tokens.ts'
import { keepLogin } from './login-file.ts'
import { CommandError, exitHelp, paint, print, shown } from './output.ts'

type Options = {
  readonly issuer?: string
  readonly clientId: string
  readonly scope: string
  readonly resource?: string
  readonly folder: string
  readonly json?: boolean
}

/** `countersign login`: a person's token by the device flow, kept for `approvals` and `sessions`. */
export function loginCommand(): Command {
  return new Command('login')
    .description('log in as a person, for approvals and sessions')
    .option('--issuer <url>', 'OpenID Connect issuer (default: the development issuer)')
    .option('--client-id <id>', 'client that may use the device flow', CLI_CLIENT)
    .option('--scope <scope>', 'scopes to ask for', 'openid')
    .option('--resource <uri>', 'resource indicator (RFC 8707), for issuers that need one')
    .option('--folder <folder>', 'data folder of the development issuer', '.countersign')
    .option('--json', 'print the address and the code as JSON, then where the login is kept')
    .addHelpText(
      'after',
      `
Examples:
  npx countersign login
  npx countersign login --issuer https://login.example.com --client-id countersign-cli --scope 'openid approvals'

The token is kept in $XDG_CONFIG_HOME/countersign/login.json, readable by you alone.
${exitHelp}`,
    )
    .action(async (options: Options) => {
      const issuer = options.issuer ?? (await developmentIssuer(options.folder))
      const resource =
        options.resource ?? (options.issuer === undefined ? APPROVALS_RESOURCE : undefined)
      try {
        const login = await deviceToken({
          issuer,
          client_id: options.clientId,
          scope: options.scope,
          ...(resource !== undefined && { resource }),
          onCode: ({ uri, user_code }) =>
            print(options.json, { uri, user_code }, () =>
              [`Open  ${paint('bold', shown(uri))}`, `Code  ${shown(user_code)}`, 'Waiting …'].join(
                '\n',
              ),
            ),
        })
        const kept = await keepLogin({ issuer, ...login })
        print(options.json, { kept }, () => `Logged in; kept in ${kept}.`)
      } catch (cause) {
        const message = `the login at ${issuer} did not work: ${(cause as Error).message}`
        throw new CommandError('refused', message, { cause })
      }
    })
}

async function developmentIssuer(folder: string): Promise<string> {
  const path = join(folder, DEMO_CLIENT_FILE)
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { readonly issuer: string }).issuer
  } catch (cause) {
    const message = `there is no ${path}: run npx countersign start first, or name --issuer`
    throw new CommandError('usage', message, { cause })
  }
}
