import { hash, randomBytes } from 'node:crypto'
import type * as Oidc from 'oidc-provider'
import type { ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider'
import { codePage, donePage, problemPage } from './issuer-pages.ts'
import { createIssuerStore } from './issuer-store.ts'

const { errors, interactionPolicy, Provider } = await importQuietly()

/** Resource indicators (RFC 8707) of the two audiences. A login asks for one of them, with scope `openid`. */
export const AGENT_RESOURCE = 'urn:countersign'
export const APPROVALS_RESOURCE = 'urn:countersign:approvals'
export const AGENT_AUDIENCE = 'countersign'
export const APPROVALS_AUDIENCE = 'countersign-approvals'
/** Public client of people at a terminal. */
export const CLI_CLIENT = 'countersign-cli'
export const DEMO_CLIENT = 'demo-agent'

/** Algorithm by audience. Approvers' tokens are signed by a key that is in no file, so no file is enough to make one. */
export const AGENT_ALGORITHM = 'ES256'
export const APPROVALS_ALGORITHM = 'EdDSA'

const AGENT_TOKEN_S = 8 * 3600
const APPROVALS_TOKEN_S = 3600
const LOGIN_S = 600

/** What a login is for, by what was asked. */
export const purposes: Readonly<Record<string, string>> = {
  [AGENT_RESOURCE]: 'It would call through the gateway in your name.',
  [APPROVALS_RESOURCE]:
    'It would approve or deny, in your name, what agents ask to do, and read their sessions.',
}

export type ProviderParts = {
  readonly url: string
  readonly demo_client: { readonly id: string; readonly secret: string }
  /** Private keys: of agents' tokens (ES256) and of approvers' (Ed25519). */
  readonly keys: readonly JWK[]
  /** The path of the page where a person says who they are. */
  readonly signInPath: (uid: string) => string
  /** The code that the address of the request brought along, to be shown in the form. */
  readonly codeOf: (ctx: KoaContextWithOIDC) => string
}

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** An OpenID Connect provider with two clients, two audiences, and no redirects. */
export function createProvider(parts: ProviderParts): Oidc.Provider {
  const configuration: Configuration = {
    adapter: createIssuerStore(),
    clients: clientsOf(parts),
    jwks: { keys: [...parts.keys] },
    cookies: {
      keys: [randomBytes(32).toString('base64url')],
      long: { httpOnly: true, sameSite: 'strict', signed: true, overwrite: true },
      short: { httpOnly: true, sameSite: 'strict', signed: true, overwrite: true },
    },
    // Whoever holds the secret names themselves: the account is the name.
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: {
      policy: alwaysAsk(),
      url: (_, interaction) => parts.signInPath(interaction.uid),
    },
    extraTokenClaims: (_, token) =>
      token.kind === 'ClientCredentials'
        ? { groups: ['agents', 'developers'], subject_type: 'agent' }
        : personClaims(token),
    issueRefreshToken: () => false,
    expiresWithSession: () => false,
    clientBasedCORS: () => false,
    renderError: (ctx, out) => {
      ctx.type = 'html'
      ctx.body = problemPage(out.error_description ?? out.error)
    },
    features: featuresOf(parts),
    ttl: {
      AccessToken: APPROVALS_TOKEN_S,
      ClientCredentials: AGENT_TOKEN_S,
      DeviceCode: LOGIN_S,
      Grant: AGENT_TOKEN_S,
      IdToken: APPROVALS_TOKEN_S,
      Interaction: LOGIN_S,
      Session: LOGIN_S,
    },
  }
  return new Provider(parts.url, configuration)
}

function clientsOf({ demo_client }: ProviderParts): ClientMetadata[] {
  const common = {
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: AGENT_ALGORITHM,
  } as const
  return [
    {
      ...common,
      client_id: demo_client.id,
      client_secret: demo_client.secret,
      client_name: 'Demo agent',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      ...common,
      client_id: CLI_CLIENT,
      client_name: 'The countersign command',
      application_type: 'native',
      grant_types: [DEVICE_GRANT],
      token_endpoint_auth_method: 'none',
    },
  ]
}

function featuresOf({ codeOf }: ProviderParts): NonNullable<Configuration['features']> {
  const sendCodePage = (ctx: KoaContextWithOIDC, problem?: string): void => {
    const { state } = ctx.oidc.session as unknown as { state?: { secret?: string } }
    ctx.type = 'html'
    ctx.body = codePage(state?.secret ?? '', codeOf(ctx), problem)
  }
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: false },
    userinfo: { enabled: false },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, _form, _out, error) =>
        sendCodePage(ctx, error && 'That code is wrong, used or too old.'),
      userCodeConfirmSource: (ctx) => sendCodePage(ctx),
      async successSource(ctx) {
        await ctx.oidc.session?.destroy() // the next login asks for the secret again
        ctx.type = 'html'
        ctx.body = donePage()
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AGENT_RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource, client) => resourceServer(resource, client.clientId),
    },
  }
}

/** Who may ask for which audience. What is not listed here is refused. */
function resourceServer(resource: string, client: string) {
  if (resource === AGENT_RESOURCE) {
    return {
      scope: 'openid',
      audience: AGENT_AUDIENCE,
      accessTokenFormat: 'jwt' as const,
      accessTokenTTL: AGENT_TOKEN_S,
      jwt: { sign: { alg: AGENT_ALGORITHM } as const },
    }
  }
  if (resource === APPROVALS_RESOURCE && client === CLI_CLIENT) {
    return {
      scope: 'openid',
      audience: APPROVALS_AUDIENCE,
      accessTokenFormat: 'jwt' as const,
      accessTokenTTL: APPROVALS_TOKEN_S,
      jwt: { sign: { alg: APPROVALS_ALGORITHM } as const },
    }
  }
  throw new errors.InvalidTarget('this client may not have tokens for that resource')
}

/**
 * Groups come from the audience: only what approvers' tokens are for takes `approvers`. The one person of a development
 * machine is everybody who looks after evidence as well.
 */
function personClaims(token: {
  readonly aud?: string | string[] | undefined
  readonly grantId: string
}) {
  const approver = token.aud === APPROVALS_AUDIENCE
  return {
    groups: approver ? ['approvers', 'auditors', 'security', 'privacy'] : ['agents', 'developers'],
    subject_type: 'user',
    // One login is one session. The grant's id stays here: it is hashed.
    sid: hash('sha256', token.grantId, 'base64url'),
  }
}

/** Each login asks who is there, whatever the browser still remembers. */
function alwaysAsk(): Oidc.interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base()
  const login = policy.get('login')
  const { Check } = interactionPolicy
  login?.checks.add(
    new Check('each_time', 'each login asks who is there', (ctx) =>
      ctx.oidc.result?.login ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT,
    ),
  )
  if (!login) throw new Error('the provider has no login prompt') // never without a question
  return policy
}

/** Without the package's warning about each Node that is no long-term release yet; every other one is shown. */
async function importQuietly(): Promise<typeof Oidc> {
  const { warn } = console
  console.warn = (...words: unknown[]) => {
    if (!String(words[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn(...words)
  }
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
}
