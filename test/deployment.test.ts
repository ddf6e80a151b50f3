import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFile,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createVerifier } from '../identity/verifier.ts'
import { parsePdpConfig } from '../pdp/config.ts'
import { parsePepConfig } from '../pep/config.ts'
import { startDevIssuer } from '../scripts/dev/issuer.ts'

type Service = {
  readonly user?: string
  readonly image?: string
  readonly build?: string | { readonly context: string; readonly dockerfile: string }
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly privileged?: boolean
  readonly network_mode?: string
  readonly pid?: string
  readonly networks?: readonly string[]
  readonly ports?: readonly string[]
  readonly secrets?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly healthcheck?: unknown
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
}
type Compose = {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly file?: string }>>
}

const root = join(import.meta.dirname, '..')
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8')
const compose = parse(await read('docker-compose.yml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const on = (network: string): string[] =>
  services.flatMap(([name, { networks }]) => (networks?.includes(network) ? [name] : []))

describe('docker-compose.yml', () => {
  test.each(services)('%s runs without root, capabilities and a writable root', (_, service) => {
    expect(service.read_only).toBe(true)
    expect(service.cap_drop).toEqual(['ALL'])
    expect(service.cap_add).toBeUndefined()
    expect(service.security_opt).toContain('no-new-privileges:true')
    expect(service.user).toMatch(/^(?:postgres|[1-9]\d*:[1-9]\d*)$/)
    expect(service.privileged).toBeUndefined()
    expect(service.network_mode).toBeUndefined()
    expect(service.pid).toBeUndefined()
    expect(service.volumes?.join(' ') ?? '').not.toMatch(/docker\.sock|^\/:|:\/host/)
  })

  test('the agent reaches the enforcement point and nothing else', () => {
    const { networks = [], ports } = compose.services['agent']!
    expect(networks).toEqual(['agents'])
    expect(compose.networks['agents']?.internal).toBe(true)
    expect(on('agents').sort()).toEqual(['agent', 'pep'])
    expect(ports).toBeUndefined()
  })

  test('only what has to leave this host can', () => {
    const outside = Object.entries(compose.networks)
      .filter(([, network]) => network?.internal !== true)
      .flatMap(([name]) => on(name))
    expect(outside.sort()).toEqual(['pdp', 'pep', 'token'])
    expect(on('store').sort()).toEqual(['pdp', 'postgres'])
    expect(on('control').sort()).toEqual(['pdp', 'pep'])
  })

  test('nothing is published but to this host', () => {
    for (const [, { ports = [] }] of services)
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
  })

  test('a secret reaches only who needs it, as a file', () => {
    const holders = (secret: string): string[] =>
      services.flatMap(([name, { secrets }]) => (secrets?.includes(secret) ? [name] : []))
    expect(holders('anthropic_api_key')).toEqual(['pep'])
    expect(holders('mask_key')).toEqual(['pep'])
    expect(holders('master_key').sort()).toEqual(['pdp', 'pep'])
    expect(holders('database_url')).toEqual(['pdp'])
    expect(holders('postgres_password')).toEqual(['postgres'])
    expect(holders('agent_client_secret')).toEqual(['token'])
    expect(holders('pep_token').sort()).toEqual(['pdp', 'pep'])
    expect(compose.services['agent']?.secrets).toBeUndefined()
    // Secrets from the environment are copied in, which a read-only container refuses.
    for (const secret of Object.values(compose.secrets))
      expect(Object.keys(secret)).toEqual(['file'])
    for (const [, { environment = {} }] of services)
      for (const [name, value] of Object.entries(environment))
        if (!name.endsWith('_FILE')) expect(`${name}=${value}`).not.toMatch(/key|secret|password/i)
  })

  test('every name that is used is defined', () => {
    for (const [, service] of services) {
      for (const name of service.networks ?? []) expect(compose.networks).toHaveProperty(name)
      for (const name of service.secrets ?? []) expect(compose.secrets).toHaveProperty(name)
      for (const volume of service.volumes ?? [])
        if (!volume.startsWith('.')) expect(compose.volumes).toHaveProperty(volume.split(':')[0]!)
    }
  })

  test('every service that stays up says how it is', () => {
    for (const [name, { healthcheck }] of services)
      if (name !== 'agent') expect(healthcheck, name).toBeDefined()
  })

  test('files that are mounted and run exist', async () => {
    for (const [, { volumes = [], build }] of services) {
      for (const volume of volumes)
        if (volume.startsWith('.')) await stat(join(root, volume.split(':')[0]!))
      if (typeof build === 'string') await stat(join(root, build, 'Dockerfile'))
      else if (build) await stat(join(root, build.context, build.dockerfile))
    }
  })
})

describe('examples/compose', () => {
  test('the configuration is right for both sides, and names the secrets that each is given', async () => {
    const text = await read('examples/compose/countersign.yaml')
    const config = parsePepConfig(parse(text))
    expect(parsePdpConfig(parse(text)).pdp.peps?.map(({ name }) => name)).toEqual([config.pep.name])
    expect(config.development).toBe(false)
    expect(Object.values(config.connections).map(({ stand_in }) => stand_in)).toEqual([undefined])
    const files = (section: unknown): string[] =>
      [...JSON.stringify(section).matchAll(/"\/run\/secrets\/(\w+)"/g)].map(([, name]) => name!)
    const { pdp, pep, sealing, connections } = parse(text) as Record<string, unknown>
    expect(files([pdp, sealing]).sort()).toEqual([...compose.services['pdp']!.secrets!].sort())
    expect(files([pep, sealing, connections]).sort()).toEqual(
      [...compose.services['pep']!.secrets!].sort(),
    )
  })

  test('agents and approvers have tokens of different audiences', async () => {
    const config = parse(await read('examples/compose/countersign.yaml')) as {
      identity: { issuers: { audience: string }[] }
      pdp: { approvals: { issuers: { audience: string }[] } }
    }
    const agents = new Set(config.identity.issuers.map(({ audience }) => audience))
    for (const { audience } of config.pdp.approvals.issuers) expect(agents).not.toContain(audience)
  })

  test('make-secrets makes each secret of the compose file once, for nobody else on the host', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-secrets-'))
    try {
      const script = join(folder, 'make-secrets.ts')
      await copyFile(join(root, 'examples/compose/make-secrets.ts'), script)
      const run = (env: Record<string, string>) =>
        promisify(execFile)(process.execPath, [script], { env })
      await expect(run({})).rejects.toMatchObject({ code: 2 })
      const env = { ANTHROPIC_API_KEY: 'test-api-key', AGENT_CLIENT_SECRET: 'test-client-secret' }
      await run(env)
      const secrets = join(folder, 'secrets')
      expect((await stat(secrets)).mode & 0o777).toBe(0o700)
      const wanted = Object.values(compose.secrets).map(({ file }) => file!.split('/').at(-1)!)
      expect((await readdir(secrets)).sort()).toEqual(wanted.toSorted((a, b) => (a < b ? -1 : 1)))
      const url = await readFile(join(secrets, 'database_url'), 'utf8')
      expect(url).toContain(await readFile(join(secrets, 'postgres_password'), 'utf8'))
      await run({ ...env, ANTHROPIC_API_KEY: 'another' })
      expect(await readFile(join(secrets, 'database_url'), 'utf8')).toBe(url)
      expect(await readFile(join(secrets, 'anthropic_api_key'), 'utf8')).toBe('test-api-key')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

test('keep-token keeps a file with an access token that the enforcement point takes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-token-'))
  const log = (): void => {}
  const address = { host: '127.0.0.1', port: 0 }
  const issuer = await startDevIssuer({ address, folder, development: true, log })
  const [config, secret, out] = ['config.yaml', 'secret', 'token'].map((name) => join(folder, name))
  const { url } = issuer
  await writeFile(
    config!,
    JSON.stringify({ identity: { issuers: [{ url, audience: 'countersign' }] } }),
  )
  await writeFile(secret!, `${issuer.demo_client.secret}\n`)
  const script = join(root, 'examples/compose/keep-token.ts')
  const env = { AGENT_CLIENT_ID: issuer.demo_client.id, AGENT_CLIENT_SECRET_FILE: secret }
  const child = spawn(process.execPath, [script, config!, out!], { env, stdio: 'pipe' })
  try {
    await once(child.stdout, 'data')
    const verifier = createVerifier([issuer.issuer], { log })
    await verifier.tried
    expect(await verifier.verify(await readFile(out!, 'utf8'))).toMatchObject({ ok: true })
    verifier.close()
    expect((await stat(out!)).mode & 0o007).toBe(0)
  } finally {
    child.kill()
    await issuer.close()
    await rm(folder, { recursive: true })
  }
})

type Instruction = readonly [name: string, rest: string]
const instructions = (text: string): Instruction[] =>
  text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => [line.split(' ')[0]!, line.slice(line.indexOf(' ') + 1)] as const)

describe.each([
  ['Dockerfile', '.'],
  ['examples/compose/token.Dockerfile', '.'],
  ['examples/agent/Dockerfile', 'examples/agent'],
])('%s', (path, context) => {
  test('ends as somebody who is not root, and installs from the lock file without scripts', async () => {
    const lines = instructions(await read(path))
    const last = lines.findLastIndex(([name]) => name === 'FROM')
    const users = lines.slice(last).filter(([name]) => name === 'USER')
    expect(users).toEqual([['USER', '1000:1000']])
    const after = lines.slice(lines.findLastIndex(([name]) => name === 'USER'))
    expect(after.map(([name]) => name)).not.toContain('RUN')
    for (const [name, rest] of lines) {
      expect(['ADD', 'ARG']).not.toContain(name)
      if (name === 'FROM') expect(rest).toMatch(/^node:26-slim(?: AS \w+)?$/)
      if (name === 'RUN' && rest.includes('npm')) expect(rest).toMatch(/^npm ci .*--ignore-scripts/)
    }
  })

  test('copies what exists, and nothing by a wildcard', async () => {
    for (const [name, rest] of instructions(await read(path))) {
      if (name !== 'COPY' || rest.startsWith('--from')) continue
      const sources = rest.split(' ').slice(0, -1)
      for (const source of sources) {
        expect(source).not.toMatch(/^\.?\/?$|\*/)
        await stat(join(root, context, source))
      }
    }
  })
})

test('the builder is sent what the image needs, and no secret', async () => {
  const lines = (await read('.dockerignore')).split('\n').filter((line) => /^[^#]/.test(line))
  expect(lines[0]).toBe('*')
  const sent = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  for (const path of ['Dockerfile', 'examples/compose/token.Dockerfile']) {
    for (const [name, rest] of instructions(await read(path))) {
      if (name !== 'COPY' || rest.startsWith('--from')) continue
      for (const source of rest.split(' ').slice(0, -1))
        expect(sent).toContain(source.replace(/^\.\//, ''))
    }
  }
  expect(sent.join(' ')).not.toMatch(/secrets|\.env|\.countersign|\.git\b/)
})

/** Runs a program as an image has it: what its Dockerfile copies, without what the builder is not sent. */
async function runAsImage(path: string, args: readonly string[]): Promise<string> {
  const app = await mkdtemp(join(tmpdir(), 'countersign-image-'))
  const left = /\.test\.ts$|(?:^|\/)testing[^/]*\.ts$/
  try {
    for (const [name, rest] of instructions(await read(path))) {
      if (name !== 'COPY' || rest.startsWith('--from')) continue
      const [target = '', ...sources] = rest.split(' ').toReversed()
      const many = target === './'
      for (const source of sources) {
        const to = join(app, target, many ? source : '')
        const filter = (from: string): boolean => !left.test(from)
        await cp(join(root, source), to, { recursive: true, filter })
      }
    }
    await symlink(join(root, 'node_modules'), join(app, 'node_modules'))
    const [file = '', ...more] = args
    const run = promisify(execFile)(process.execPath, [join(app, file), ...more], { env: {} })
    const { stdout } = await run.catch((error: { stdout: string; stderr: string }) => ({
      stdout: `${error.stdout}${error.stderr}`,
    }))
    return stdout
  } finally {
    await rm(app, { recursive: true })
  }
}

test('the image has all that its entry point needs', async () => {
  const lines = instructions(await read('Dockerfile'))
  const [program, file = ''] = JSON.parse(
    lines.find(([name]) => name === 'ENTRYPOINT')?.[1] ?? '[]',
  ) as string[]
  expect(program).toBe('node')
  const help = await runAsImage('Dockerfile', [file.replace(/^\/app\//, ''), 'start', '--help'])
  for (const option of ['--config', '--folder', '--pdp']) expect(help).toContain(option)
})

test('the image of the token has all that its script needs', async () => {
  const script = compose.services['token']?.entrypoint?.[1]?.replace(/^\/app\//, '') ?? ''
  const usage = await runAsImage('examples/compose/token.Dockerfile', [script])
  expect(usage).toContain('AGENT_CLIENT_ID=')
  expect(usage).not.toContain('Error')
})

test('the example agent’s lock file is of its package.json', async () => {
  const { dependencies } = JSON.parse(await read('examples/agent/package.json')) as {
    dependencies: Record<string, string>
  }
  const lock = JSON.parse(await read('examples/agent/package-lock.json')) as {
    packages: Record<string, { version?: string; dependencies?: Record<string, string> }>
  }
  expect(lock.packages['']?.dependencies).toEqual(dependencies)
  for (const [name, version] of Object.entries(dependencies))
    expect(lock.packages[`node_modules/${name}`]?.version).toBe(version)
})
