import { randomUUID } from 'node:crypto'
import type { LeafBody } from '../evidence/log-store.ts'
import type { Cell, Figure, Report } from './report/figure.ts'

/** Leaves for tests of reports, as enforcement points and the service make them. */

const ISSUER = 'https://login.example.com'

export type Planted = {
  readonly subject?: string
  readonly connection?: string
  readonly action?: string
  readonly effect?: 'allow' | 'deny' | 'approve'
  readonly rules?: readonly string[]
  readonly revision?: string
  readonly refused?: string
  readonly session?: string
  readonly operation?: string
  readonly decision?: string
  readonly masked?: Readonly<Record<string, number>>
  readonly observed?: Readonly<Record<string, number>>
}

export const by = (id: string) => ({ issuer: ISSUER, type: 'user', id })

/** One life of an enforcement point; its frames are numbered. */
export function plantPep(pep: string, epoch: string = randomUUID()) {
  let seq = 0
  const source = () => ({ pep, epoch, seq: seq++ })
  const described =
    (kind: 'intent' | 'decision') =>
    (time_ms: number, one: Planted = {}): LeafBody => ({
      v: 1,
      kind,
      time_ms,
      source: source(),
      operation_id: one.operation ?? randomUUID(),
      session_id: one.session ?? 's-1',
      subject: { issuer: ISSUER, type: 'agent', id: one.subject ?? 'agent-1' },
      connection: one.connection ?? 'claude',
      action: one.action ?? 'anthropic.messages.create',
      resource_type: 'anthropic.model',
      decision: {
        id: one.decision ?? randomUUID(),
        effect: one.effect ?? 'allow',
        rules: one.rules ?? ['allow_agents'],
        revision: one.revision ?? 'r-1',
        obligations: [],
      },
      masked: one.masked ?? {},
      observed: one.observed ?? {},
      ...(one.refused !== undefined && { refused: one.refused }),
    })
  return {
    intent: described('intent'),
    decision: described('decision'),
    outcome: (
      time_ms: number,
      operation: string,
      more: Readonly<Record<string, unknown>> = {},
    ): LeafBody => ({
      v: 1,
      kind: 'outcome',
      time_ms,
      source: source(),
      operation_id: operation,
      session_id: 's-1',
      result: 'completed',
      bytes_in: 10,
      bytes_out: 20,
      masked: {},
      observed: {},
      ...more,
    }),
    event: (
      time_ms: number,
      name: string,
      detail: Readonly<Record<string, unknown>> = {},
    ): LeafBody => ({ v: 1, kind: 'event', time_ms, source: source(), name, detail }),
  }
}

const pdp = { source: { pdp: 'pdp' } } as const

export const plantPdp = {
  event: (time_ms: number, name: string, detail = {}): LeafBody => ({
    v: 1,
    kind: 'event',
    time_ms,
    ...pdp,
    name,
    detail,
  }),
  act: (
    time_ms: number,
    name: string,
    who: string,
    more: Readonly<Record<string, unknown>> = {},
  ): LeafBody => ({
    v: 1,
    kind: 'admin',
    time_ms,
    ...pdp,
    name,
    by: by(who),
    decision: { id: randomUUID(), effect: 'allow', rules: ['allow_security'], revision: 'r-1' },
    detail: {},
    ...more,
  }),
  approval: (
    time_ms: number,
    id: string,
    event: string,
    more: Readonly<Record<string, unknown>> = {},
  ): LeafBody => ({
    v: 1,
    kind: 'approval',
    time_ms,
    ...pdp,
    event,
    approval_id: id,
    requester: { issuer: ISSUER, type: 'agent', id: 'agent-1' },
    session_id: 's-1',
    connection: 'customers',
    action: 'http.request',
    operation_id: 'o-approval',
    decision_id: 'd-approval',
    revision: 'r-1',
    approvers: ['approvers'],
    count: 1,
    expires_ms: time_ms + 60_000,
    ...more,
  }),
  policy: (time_ms: number, revision: string, git_revision?: string): LeafBody => ({
    v: 1,
    kind: 'policy',
    time_ms,
    ...pdp,
    revision,
    config_digest: 'c0ffee',
    bundles: [
      {
        name: 'default',
        revision: `bundle-${revision}`,
        digest: 'abc',
        archive: 'def',
        ...(git_revision !== undefined && { git_revision }),
      },
    ],
  }),
  key: (time_ms: number, event: string, vkey: string, before?: string): LeafBody => ({
    v: 1,
    kind: 'key',
    time_ms,
    ...pdp,
    event,
    vkey,
    ...(before !== undefined && { before }),
  }),
}

export const figureOf = (report: Report, name: string): Figure => {
  const found = report.sections
    .flatMap(({ figures }) => figures)
    .find((figure) => figure.name === name)
  if (!found) throw new Error(`no figure ${name}`)
  return found
}

/** Rows with the names of their columns. */
export const rowsOf = (report: Report, name: string): Readonly<Record<string, Cell>>[] => {
  const { columns, rows } = figureOf(report, name)
  return rows.map((row) =>
    Object.fromEntries(columns.map((one, at) => [one.name, row[at] ?? null])),
  )
}
