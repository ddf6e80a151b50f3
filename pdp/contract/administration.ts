/**
 * What people do to the evidence itself: unmask, export, erase, … Policy decides it as it decides everything else, on
 * requests that the decision service makes of a verified person (`pdp/decide/administer.ts`) and takes from nobody.
 */

/** The connection of administrative requests, and what their actions and resources start with. */
export const ADMINISTRATION = 'countersign'

type Administered = 'countersign.session' | 'countersign.log'

/** What each action is done to. `countersign.session`: its id; `countersign.log`: what of the log, `decisions`, `sealed`, … */
export const administrativeResources = {
  'countersign.sessions.unmask': ['countersign.session'],
  'countersign.evidence.export': ['countersign.log'],
  'countersign.evidence.erase': ['countersign.session'],
  'countersign.evidence.hold': ['countersign.session', 'countersign.log'],
  'countersign.evidence.release': ['countersign.session', 'countersign.log'],
  'countersign.evidence.resume': ['countersign.log'],
  'countersign.retention.apply': ['countersign.log'],
} as const satisfies Readonly<Record<`countersign.${string}`, readonly Administered[]>>

export type AdministrativeAction = keyof typeof administrativeResources

/** `id` is at most 8,192 characters, as that of every resource. */
export type AdministeredResource = { readonly type: Administered; readonly id: string }

/**
 * Whether a request, of whatever shape, is or claims to be administrative: by its action, or by facts that only the
 * decision service states. Wider than what policy allows, so that nothing on record looks like one by a letter's case.
 */
export function isAdministrative(request: unknown): boolean {
  const name = at(at(request, 'action'), 'name')
  if (typeof name === 'string' && isAdministrativeName(name)) return true
  return at(at(at(request, 'context'), 'facts'), 'admin') !== undefined
}

/** The same of an action's name alone. */
export const isAdministrativeName = (action: string): boolean => /^\s*countersign\./iu.test(action)

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined
