import type { Value } from '../value.ts'
import { text } from './arguments.ts'
import type { Builtins } from './builtin.ts'
import { parseUrl } from './go/url.ts'

/** URLs as Go's `net/url` reads them; RFC 3986 with its exceptions. */
export const uri: Builtins = {
  'uri.is_valid': (args) => {
    const given = text(args, 0)
    if (given === '') return false
    try {
      parseUrl(given)
      return true
    } catch {
      return false
    }
  },
  'uri.parse': (args) => {
    const { scheme, host, port, path, rawPath, query, fragment } = parseUrl(text(args, 0))
    const fields: [string, string][] = [
      ['scheme', scheme],
      ['hostname', host],
      ['port', port],
      ['path', path],
      ['raw_path', rawPath || path],
      ['raw_query', query],
      ['fragment', fragment],
    ]
    return new Map<Value, Value>(fields.filter(([, value]) => value !== ''))
  },
}
