import { joined } from './example.ts'
import { isAlnum, isDigit, isLower, isToken } from '../chars.ts'
import { type Detector, MORE, NO, type Matcher, prefixAt, tailWhile } from './matcher.ts'
import { prefixedToken } from './prefixed-token.ts'
import { underscore } from './prefix-triggers.ts'

export const githubToken: Detector = {
  name: 'github_token',
  matchers: [
    prefixedToken({
      name: 'github_token',
      prefixes: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
      body: isAlnum,
      certain: 20,
      mixed: true,
      trigger: underscore,
    }),
    prefixedToken({
      name: 'github_token',
      prefixes: ['github_pat_'],
      body: (c) => isAlnum(c) || c === 95,
      certain: 20,
      mixed: true,
      trigger: underscore,
    }),
  ],
  examples: [
    joined('ghp', '_', 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789'),
    joined('ghs', '_', '0123456789abcdefghijABCDEFGHIJ012345'),
    joined('github', '_', 'pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz'),
  ],
  counterExamples: [
    'ghp_short',
    'ghx_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789',
    'github_pat_',
    'high_priority',
  ],
}

export const googleApiKey: Detector = {
  name: 'google_api_key',
  matchers: [
    prefixedToken({
      name: 'google_api_key',
      prefixes: ['AIza'],
      body: isToken,
      certain: 30,
      mixed: true,
      trigger: { chars: 'A', after: 'I' },
    }),
  ],
  examples: [joined('AIza', 'Sy', 'A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6Q')],
  counterExamples: ['AIza', 'AIzaSyShort', 'AI zaSyA1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6Q'],
}

/** `xoxb-`, `xoxp-`, `xoxe.xoxp-`, `xapp-`, and webhook addresses, whose path is the secret. */
const slackBody: Matcher = {
  name: 'slack_token',
  starts: (c) => c === 120,
  triggers: [{ chars: 'x', after: 'oa' }],
  maxLength: 15,
  tail: tailWhile((c) => isAlnum(c) || c === 45),
  match(s, i, final) {
    const app = prefixAt(s, i, 'xapp-', final)
    let from = app
    if (app < 0) {
      const bot = prefixAt(s, i, 'xox', final)
      if (bot < 0) return app === MORE ? MORE : bot
      if (bot + 1 >= s.length)
        return final ? NO : bot === s.length || isLower(s.charCodeAt(bot)) ? MORE : NO
      if (!isLower(s.charCodeAt(bot)) || s.charCodeAt(bot + 1) !== 45) return NO
      from = bot + 2
    }
    let digit = false
    for (let p = from; p < from + 10; p++) {
      if (p === s.length) return final ? NO : MORE
      const c = s.charCodeAt(p)
      if (!isAlnum(c) && c !== 45) return NO
      digit ||= isDigit(c)
    }
    return digit ? from + 10 : NO
  },
}

export const slackToken: Detector = {
  name: 'slack_token',
  matchers: [
    slackBody,
    prefixedToken({
      name: 'slack_token',
      prefixes: ['hooks.slack.com/'],
      body: (c) => isToken(c) || c === 47,
      certain: 20,
      mixed: true,
      trigger: { chars: '/', back: 15, fires: (s, at) => s.startsWith('.slack.com', at - 10) },
    }),
  ],
  examples: [
    joined('xox', 'b', '-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx'),
    joined('xapp', '-', '1-A0123456789-1234567890123-abcdef0123456789'),
    joined('hooks.slack.com', '/', 'services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX'),
  ],
  counterExamples: ['xox-not', 'xoxb-short', 'hooks.slack.com/', 'xoxb-hyphenated-words-only'],
}
