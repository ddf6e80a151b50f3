import { hostOf, looksLikeHost } from './hosts.ts'
import { afterOptions } from './shell-flags.ts'
import type { ShellState, Stdin } from './shell-state.ts'
import { sshValued } from './shell-tables.ts'
import type { Token } from './shell-words.ts'

type Call = {
  readonly name: string
  readonly args: readonly Token[]
  readonly stdin: Stdin
  readonly state: ShellState
  /** Whether some word holds what a command of the script prints. */
  readonly computed: boolean
}

/** Says which hosts a command reaches, and whether it sends them anything. */
export function commandHosts(
  name: string,
  args: readonly Token[],
  stdin: Stdin,
  state: ShellState,
): void {
  const reach = programs.get(name)
  if (reach === undefined) return
  const computed = args.some(
    (word) => word.computed || word.variables.some((one) => state.computed.has(one)),
  )
  reach({ name, args, stdin, state, computed })
}

const fed = ({ stdin }: Call): boolean => stdin.kind !== 'none'
const operands = (args: readonly Token[]): readonly Token[] =>
  args.filter((word) => !/^[-+]./.test(word.value))
const has = (args: readonly Token[], option: RegExp): boolean =>
  args.some((word) => option.test(word.value))

/** Short options of curl that take a value, and those of them that send it. */
const curlValued = 'AbcCdDeEFhHKmoPQrtTuUwxXyYz'
const curlSends = 'dFTK'

function curl(call: Call): void {
  const sends =
    call.computed ||
    call.args.some(({ value }) => shortOption(value, curlValued, curlSends)) ||
    // curl takes long options in any abbreviation that is one option's alone.
    has(call.args, /^--(da|form|upl|js|url-q|conf)/)
  web(call, sends)
}

function shortOption(word: string, valued: string, wanted: string): boolean {
  if (!/^-[^-]/.test(word)) return false
  const first = Array.from(word.slice(1)).find((letter) => valued.includes(letter))
  return first !== undefined && wanted.includes(first)
}

function web({ name, args, state }: Call, sends: boolean): void {
  const urls = args.filter(
    ({ value }, k) => /:\/\//.test(value) || (looksLikeHost(value) && !takesNext(args[k - 1])),
  )
  for (const { value } of urls) {
    if (/^file:/i.test(value)) continue
    const [address = ''] = /[a-z][a-z0-9+.-]{0,32}:\/\/.*/is.exec(value) ?? [value]
    state.host(hostOf(address), name, sends)
  }
  if (urls.length === 0 && args.some((word) => !/^-(V|h|-version|-help)/.test(word.value)))
    state.host(undefined, name, sends)
}

/** Whether an option before a word has it as its value, for those whose values look like hosts or files. */
const takesNext = (word: Token | undefined): boolean =>
  /^(-[a-zA-Z]*[oHAebcuTDwKOP]|--(output|header|user-agent|referer|cookie|cookie-jar|user|output-document|directory-prefix|upload-file|resolve|connect-to))$/.test(
    word?.value ?? '',
  )

/** `nc host port`, `telnet host`: what they read goes out. */
function stream(call: Call): void {
  const { name, args, state } = call
  if (has(args, /^(-[a-zA-Z]*[ec]$|--(exec|sh-exec|lua-exec))/))
    state.undetermined(`${name} runs a command for who connects`)
  const [host] = operands(args)
  const listens = has(args, /^(-[a-zA-Z]*l|--listen)/)
  if (host === undefined && !listens) return
  state.host(host && !host.dynamic && !listens ? hostOf(host.value) : undefined, name, fed(call))
}

function socat({ name, args, state }: Call): void {
  for (const { value } of operands(args)) {
    if (/^(exec|system|shell)/i.test(value))
      state.undetermined('socat runs a command for who connects')
    const [, host] = /^(?:tcp|udp|ssl|openssl|sctp)\w*(?:-connect)?:([^:,]+)/i.exec(value) ?? []
    if (host !== undefined) state.host(hostOf(host), name, true)
  }
}

function ssh(call: Call): void {
  const [host] = afterOptions(call.args, sshValued)
  const unseen = call.stdin.kind === 'unknown' || call.stdin.kind === 'file'
  // Whoever is there reaches this machine's network.
  const tunnels = has(call.args, /^-[a-zA-Z]*[RDw]/)
  if (host) call.state.host(remoteHost(host), call.name, unseen || tunnels || call.computed)
}

/** The host of `user@host:path` or a URL; undefined when it cannot be told. */
const remoteHost = (word: Token): string | undefined =>
  /^[a-z]+:\/\//i.test(word.value)
    ? hostOf(word.value)
    : hostOf(word.value.replace(/^([^:/]*):.*$/s, '$1'))

const isRemote = ({ value }: Token): boolean => /^([a-z]+:\/\/|[^/:\s]+:)/i.test(value)

/** What is copied to the last operand. */
function copy({ name, args, state }: Call): void {
  const words = operands(args)
  for (const [k, word] of words.entries())
    if (isRemote(word)) state.host(remoteHost(word), name, k === words.length - 1)
    else if (word.dynamic && k === words.length - 1) state.host(undefined, name, true)
}

/** Object stores and their command lines: `aws s3 cp file s3://bucket`, `rclone copy file remote:`. */
function store({ name, args, state }: Call): void {
  const words = operands(args)
  const uploads = words.some(({ value }) => /^(upload|put-object|upload-batch|rcat)$/.test(value))
  const last = words.at(-1)
  const to = last !== undefined && /^([a-z0-9]+:\/\/|[\w-]+:)/i.test(last.value)
  if (uploads || to)
    state.host(last && /^https?:/i.test(last.value) ? hostOf(last.value) : undefined, name, true)
}

function git({ name, args, state }: Call): void {
  const pushes = args.some((word) => word.value === 'push')
  const declares = has(args, /^(remote|config)$|^(remote\.|url\.)/)
  for (const word of operands(args)) {
    const url = /^(https?|ssh|git|ftps?):\/\//i.test(word.value)
    const short = /^([\w.-]+@)?[\w.-]+:(?!\/\/)[^\s]/.exec(word.value)
    if (url || (short && /@|\.\w+:/.test(word.value)))
      state.host(remoteHost(word), name, pushes || declares)
    // `-c url.<base>.insteadOf=…` sends every fetch and push elsewhere.
    else if (/^(remote|url)\..*=/.test(word.value)) state.host(undefined, name, true)
  }
  if (pushes) state.host(undefined, 'git', true)
}

/** Names that are asked for carry data when they are computed. */
function lookup({ name, args, state, computed }: Call): void {
  const words = operands(args).filter(({ value }) => !/^(\d+|[A-Z]{1,5}|hosts|ahosts)$/.test(value))
  for (const word of words.slice(-2))
    state.host(word.dynamic ? undefined : hostOf(word.value.replace(/^@/, '')), name, computed)
}

const anyone =
  (sends: (call: Call) => boolean) =>
  (call: Call): void => {
    if (sends(call)) call.state.host(undefined, call.name, true)
  }

const each = (names: string, reach: (call: Call) => void): [string, (call: Call) => void][] =>
  names.split(' ').map((name) => [name, reach])

const programs: ReadonlyMap<string, (call: Call) => void> = new Map([
  ['curl', curl],
  ...each('wget aria2c fetch lynx w3m', (call) =>
    web(call, call.computed || has(call.args, /^--(post|body)-|^--method/)),
  ),
  ...each('http https xh httpie', (call) =>
    web(call, call.computed || fed(call) || has(call.args, /^[\w.-]+(:?=|@|:=@)/)),
  ),
  ...each('nc ncat netcat nc.openbsd nc.traditional telnet', stream),
  ['socat', socat],
  ...each('ssh mosh autossh', ssh),
  ...each('scp rsync', copy),
  ...each('sftp ftp lftp tftp', (call) => {
    const [host] = operands(call.args)
    if (host)
      call.state.host(remoteHost(host), call.name, fed(call) || has(call.args, /^-[be]|put/))
  }),
  ['git', git],
  ...each('dig nslookup host drill ping ping6 traceroute tracepath getent whois mtr', lookup),
  ...each('aws gsutil gcloud az rclone s3cmd mc', store),
  // Mail, and what makes this machine's files or ports reachable from anywhere.
  ...each(
    'mail mailx sendmail mutt msmtp swaks ngrok cloudflared lt localtunnel bore chisel frpc',
    anyone(() => true),
  ),
  ...each(
    'npm yarn pnpm cargo twine gem poetry',
    anyone(({ args }) => /^(publish|upload|push)$/.test(operands(args)[0]?.value ?? '')),
  ),
  ['gh', anyone(({ args }) => args[0]?.value === 'gist' && args[1]?.value === 'create')],
  ...each(
    'docker podman',
    anyone(({ args }) => operands(args)[0]?.value === 'push'),
  ),
  [
    'openssl',
    (call) => {
      const at = call.args.findIndex((word) => word.value === '-connect')
      const host = call.args[at + 1]
      if (at >= 0) call.state.host(host && hostOf(host.value), 'openssl', fed(call))
    },
  ],
])
