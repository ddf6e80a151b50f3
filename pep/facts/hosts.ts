import type { ReachedHost } from '../../pdp/contract/facts.ts'

const MAX_HOSTS = 64
/** What of an address is looked at: its host stands at the beginning. */
const MAX_ADDRESS = 2048

export type HostList = {
  /** @param host undefined: it cannot be told. */
  readonly add: (host: string | undefined, by: string, sends: boolean) => void
  readonly hosts: ReachedHost[]
}

/** Collects the hosts of a tool call. @param incomplete is told what does not fit. */
export function createHostList(incomplete: (why: string) => void): HostList {
  const hosts: ReachedHost[] = []
  return {
    hosts,
    add(host = '?', by, sends) {
      const same = hosts.find((one) => one.host === host && one.by === by)
      if (same) same.sends ||= sends
      else if (hosts.length >= MAX_HOSTS) incomplete('hosts: more than fits')
      else hosts.push({ host: host.slice(0, 253), by: by.slice(0, 64), sends })
    },
  }
}

/**
 * The host of a URL or of `[user@]host[:port][/path]`, as URL parsers write it: lower case, addresses in decimal
 * (`0x7f.1` is `127.0.0.1`), without the dot at the end. Undefined when there is none or only running tells it.
 */
export function hostOf(address: string): string | undefined {
  const text = address.slice(0, MAX_ADDRESS)
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  // Everything but http has no rules for addresses in the URL standard.
  const web = url.replace(/^[a-z][a-z0-9+.-]*:/i, 'http:')
  const authority = /^http:\/\/([^/?#]*)/.exec(web)?.[1] ?? ''
  if (/[$`*{}]/.test(authority)) return undefined
  try {
    const { hostname } = new URL(web)
    return hostname.replace(/\.$/, '').replace(/^\[|\]$/g, '') || undefined
  } catch {
    return undefined
  }
}

/** Whether a word of a command line is an address: a URL, `localhost`, an IP address or a name with a dot. */
export const looksLikeHost = (word: string): boolean =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(word) ||
  /^([\w.+-]+@)?(localhost|\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3}|[\w-]+(\.[\w-]+)*\.[a-z]{2,})\.?(:\d+)?([/?#]|$)/i.test(
    word.slice(0, MAX_ADDRESS),
  )
