import type { Health } from '../../pdp/api/health.ts'
import type { Running } from '../start/start.ts'
import { paint } from './output.ts'

/** What `start` says when it is ready: what runs where, and commands to paste. */
export function welcome(
  running: Running,
  token: string | undefined,
  seconds: number,
  store: Health['store'] | undefined,
): string {
  return [
    paint('green', `Countersign is ready (${seconds.toFixed(1)} s).`),
    '',
    ...places(running),
    ...(store?.ok === false ? [withoutStore(store.message ?? '')] : []),
    ...(token === undefined ? [] : tries(running, token)),
  ].join('\n')
}

const withoutStore = (why: string): string =>
  paint(
    'yellow',
    `  the store does not answer: ${why}; it is tried again. Requests are kept in the journal, approvals refused.`,
  )

function places({ urls, pdp, pep, stand_ins, issuer }: Running): string[] {
  const lines: string[] = []
  if (urls.pep !== undefined) lines.push(`  enforcement point   ${urls.pep}/<connection>/…`)
  for (const { name, kind, upstream, credential_problem } of pep?.status() ?? []) {
    const what = stand_ins[name]
      ? paint('yellow', 'stand-in: a local, made-up service, because its credential is not set')
      : (credential_problem ?? upstream)
    lines.push(`    /${name}`.padEnd(22) + `${kind}, ${what}`)
  }
  if (urls.pdp !== undefined) lines.push(`  decision service    ${urls.pdp}`)
  if (pdp) lines.push(`    policy revision   ${pdp.revision().slice(0, 16)}…`)
  if (issuer)
    lines.push(
      `  development issuer  ${issuer.url}`,
      `    operator secret   ${paint('bold', issuer.operator_secret)}   (for approvers; only shown here)`,
    )
  return lines
}

function tries({ urls, stand_ins }: Running, token: string): string[] {
  const pep = urls.pep ?? ''
  const call = (rest: string): string => `  curl -s -H "Authorization: Bearer $TOKEN" ${rest}`
  return [
    '',
    'Try it, in another terminal:',
    '',
    `  export TOKEN=${token}`,
    '',
    ...(stand_ins['customers']
      ? [
          paint('dim', '  # allowed'),
          call(`${pep}/customers/customers`),
          paint('dim', '  # denied'),
          call(`${pep}/customers/admin/export`),
          paint('dim', '  # masked: address, social security and card number'),
          call(`${pep}/customers/customers/c-1`),
          paint('dim', '  # held for approval; approve it in a third terminal while it waits'),
          call(`-X DELETE ${pep}/customers/customers/c-2`),
          '  npx countersign login          ' +
            paint('dim', '# asks for your name and the operator secret above'),
          '  npx countersign approvals list',
          '  npx countersign approvals approve <id>',
        ]
      : []),
    ...(stand_ins['claude'] ? claude(pep) : []),
    '',
    'Agents: ANTHROPIC_BASE_URL=' +
      `${pep}/claude ANTHROPIC_AUTH_TOKEN=$TOKEN. A new token: npx countersign token`,
    'Afterwards: npx countersign sessions list, npx countersign doctor. Ctrl-C ends it.',
  ]
}

const claude = (pep: string): string[] => [
  paint('dim', '  # Claude (a stand-in) asks for rm -fr, which is refused while the reply streams'),
  `  curl -sN -H "Authorization: Bearer $TOKEN" -H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' ${pep}/claude/v1/messages -d '${JSON.stringify(
    {
      model: 'claude-sonnet-4-5',
      max_tokens: 100,
      stream: true,
      tools: [{ name: 'Bash', input_schema: { type: 'object' } }],
      messages: [{ role: 'user', content: 'Please clean up.' }],
    },
  )}'`,
]
