import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

/** Most entries of one kind; the oldest goes first. A flood of device codes costs its own logins, not the machine. */
const MOST = 1000

type Entry = { payload: AdapterPayload; readonly until: number }

/** Keeps the issuer's logins, interactions and device codes in memory: they end with the process. */
export function createIssuerStore(now: () => number = Date.now): AdapterFactory {
  const kinds = new Map<string, Map<string, Entry>>()
  return (kind) => {
    const entries = kinds.get(kind) ?? new Map<string, Entry>()
    kinds.set(kind, entries)
    return adapterOver(entries, kinds, now)
  }
}

function adapterOver(
  entries: Map<string, Entry>,
  kinds: ReadonlyMap<string, Map<string, Entry>>,
  now: () => number,
): Adapter {
  const live = (entry: Entry | undefined): AdapterPayload | undefined =>
    entry && entry.until > now() ? entry.payload : undefined
  const by = (field: 'uid' | 'userCode', value: string): Promise<AdapterPayload | undefined> =>
    Promise.resolve(live([...entries.values()].find(({ payload }) => payload[field] === value)))
  return {
    upsert(id, payload, expires_s = 0) {
      entries.delete(id)
      if (entries.size >= MOST) entries.delete(entries.keys().next().value ?? '')
      const until = expires_s > 0 ? now() + expires_s * 1000 : Number.POSITIVE_INFINITY
      entries.set(id, { payload, until })
      return Promise.resolve()
    },
    find: (id) => Promise.resolve(live(entries.get(id))),
    findByUid: (uid) => by('uid', uid),
    findByUserCode: (userCode) => by('userCode', userCode),
    consume(id) {
      const entry = entries.get(id)
      if (entry) entry.payload = { ...entry.payload, consumed: Math.floor(now() / 1000) }
      return Promise.resolve()
    },
    destroy(id) {
      entries.delete(id)
      return Promise.resolve()
    },
    revokeByGrantId(grantId) {
      for (const kind of kinds.values()) {
        for (const [id, { payload }] of kind) if (payload.grantId === grantId) kind.delete(id)
      }
      return Promise.resolve()
    },
  }
}
