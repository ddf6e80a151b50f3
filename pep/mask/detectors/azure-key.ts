import { isBase64, isDigit, isLower, isUpper } from '../chars.ts'
import { joined } from './example.ts'
import { type Detector, MORE, NO, type Matcher, unitFrom } from './matcher.ts'

/** Base64 of 32 bytes (service bus, event hubs) is 43 units and `=`, of 64 bytes (storage, Cosmos DB) 86 and `==`. */
const CERTAIN = 40
/** What may stand between the word and the key: `=`, `": "`, `\":\"`, ` = '`. */
const GAP = 12
export const keyword = /(?:account|shared_?access|storage|primary|secondary)[_-]?key/i
const before = new RegExp(`${keyword.source}[^A-Za-z0-9+/]{1,12}$`, 'i')
const LONGEST_WORD = 'shared_access_key'.length

/**
 * The key of a connection string (`AccountKey=…`, `SharedAccessKey=…`) or setting: the word stays, what follows it is
 * replaced. Without the word it is not found: a digest for subresource integrity is base64 of 64 bytes as well.
 */
const matcher: Matcher = {
  name: 'azure_key',
  starts: isBase64,
  hot: true,
  triggers: [
    {
      chars: 'eE',
      after: 'yY',
      fires: (s, at) => (s.charCodeAt(at - 1) | 32) === 107,
      hot: 1 + GAP,
    },
  ],
  maxLength: CERTAIN,
  partial: () => undefined,
  match(s, i, final, floor) {
    if (isBase64(unitFrom(s, i - 1, floor))) return NO
    let upper = false
    let lower = false
    let digit = false
    let p = i
    for (; p < s.length && p < i + CERTAIN; p++) {
      const c = s.charCodeAt(p)
      if (!isBase64(c)) return NO
      upper ||= isUpper(c)
      lower ||= isLower(c)
      digit ||= isDigit(c)
    }
    // Last, as most words are not even long enough.
    if (!before.test(s.slice(Math.max(0, i - GAP - LONGEST_WORD), i))) return NO
    if (p < i + CERTAIN) return final ? NO : MORE
    return upper && lower && digit ? p : NO
  },
  tail(s, from, final) {
    let p = from
    while (p < s.length && (isBase64(s.charCodeAt(p)) || s.charCodeAt(p) === 61)) p++
    return p < s.length || final ? p : ~p
  },
}

// The key that the storage emulator documents, in pieces.
const emulatorKey = joined(
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6',
  'IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
)
const busKey = joined('AbCdEfGhIjKlMnOpQrStUv', 'WxYz0123456789+/AbCdE=')

export const azureKey: Detector = {
  name: 'azure_key',
  matchers: [matcher],
  examples: [
    {
      before: 'AccountName=devstoreaccount1;AccountKey=',
      value: emulatorKey,
      after: ';EndpointSuffix=',
    },
    {
      before: 'SharedAccessKeyName=Root;SharedAccessKey=',
      value: busKey,
      after: ';EntityPath=orders',
    },
    { before: '"account_key": "', value: emulatorKey, after: '"' },
    { before: 'AZURE_STORAGE_KEY=', value: emulatorKey, after: '\n' },
  ],
  counterExamples: [
    emulatorKey,
    `integrity="sha512-${emulatorKey}"`,
    'AccountKey=<your-account-key>',
    'AccountKey=short1',
    'the account key is on the other page',
  ],
}
