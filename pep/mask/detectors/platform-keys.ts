import { isAlnum, isBase64, isDigit, isToken } from '../chars.ts'
import { joined } from './example.ts'
import { type Detector, MORE, NO, type Matcher, prefixAt, tailWhile, unitFrom } from './matcher.ts'
import { isMixed, prefixedToken } from './prefixed-token.ts'
import { dash, gitlabWords, underscore } from './prefix-triggers.ts'

/**
 * `glpat-` and its kin with 20 or more units; the routable ones have two dots in them, which belong to them where more
 * follows. Certain after 16 (a runner's registration is 20 long, and one may be cut), of any length.
 */
export const gitlabToken: Detector = {
  name: 'gitlab_token',
  matchers: [
    prefixedToken({
      name: 'gitlab_token',
      prefixes: gitlabWords.map((word) => `${word}-`),
      body: isToken,
      joint: '.',
      certain: 16,
      mixed: true,
      trigger: dash,
    }),
  ],
  examples: [
    joined('gl', 'pat', '-AbCdEfGhIjKlMnOpQr12'),
    joined('gl', 'rt', '-t1_AbCdEfGhIjKlMnOpQr12'),
    joined('gl', 'pat', '-AbCdEfGhIjKlMnOpQrStUvWxYz01.01.0a1b2c3d4'),
  ],
  counterExamples: ['glpat-short1', 'glft-loader-plugin-for-webpack', 'glpat-xxxxxxxxxxxxxxxxxxxx'],
}

/**
 * Secret and restricted keys, live and test, and the secrets of webhooks. Publishable keys (`pk_`) are meant to be
 * public. Certain after 16, of any length: older keys have 24 units, newer ones about 100.
 */
export const stripeKey: Detector = {
  name: 'stripe_key',
  matchers: [
    prefixedToken({
      name: 'stripe_key',
      prefixes: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_'],
      body: isAlnum,
      certain: 16,
      mixed: true,
      trigger: underscore,
    }),
    prefixedToken({
      name: 'stripe_key',
      prefixes: ['whsec_'],
      body: isBase64,
      certain: 20,
      mixed: true,
      trigger: underscore,
    }),
  ],
  examples: [
    joined('sk', '_live_', 'AbCdEfGhIjKlMnOpQrStUv01'),
    joined('sk', '_test_', '51AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKl'),
    joined('rk', '_live_', '51AbCdEfGhIjKlMnOpQrStUvWxYz'),
    joined('wh', 'sec', '_AbCdEfGhIjKlMnOpQrStUvWxYz012345'),
  ],
  counterExamples: [
    'sk_test_short1',
    'sk_test_publishable_key_name',
    'pk_live_AbCdEfGhIjKlMnOpQrStUv01',
    'risk_test_results_of_2024_are_in',
    joined('sk', '_live_', 'xxxxxxxxxxxxxxxxxxxxxxxx'),
  ],
}

const SENDGRID_ID = 22
const SENDGRID_CERTAIN = 16

/** `SG.`, an id of 22 units, and a secret of 43, of which 16 are enough. */
const sendgrid: Matcher = {
  name: 'sendgrid_key',
  starts: (c) => c === 83,
  triggers: [{ chars: 'S', after: 'G' }],
  maxLength: 3 + SENDGRID_ID + 1 + SENDGRID_CERTAIN,
  tail: tailWhile(isToken),
  match(s, i, final) {
    const id = prefixAt(s, i, 'SG.', final)
    if (id < 0) return id
    const dot = id + SENDGRID_ID
    const end = dot + 1 + SENDGRID_CERTAIN
    for (let p = id; p < end; p++) {
      if (p === s.length) return final ? NO : MORE
      const c = s.charCodeAt(p)
      if (p === dot ? c !== 46 : !isToken(c)) return NO
    }
    return isMixed(s, dot + 1, end) ? end : NO
  },
}

export const sendgridKey: Detector = {
  name: 'sendgrid_key',
  matchers: [sendgrid],
  examples: [
    joined('SG', '.', 'AbCdEfGhIjKlMnOpQrStUv', '.', 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE'),
  ],
  counterExamples: [
    'SG.1',
    'MSG.SomeVeryLongIdentifierName.thatGoesOnAndOnAndOn1',
    'SG.abcdefghijklmnopqrstuv.wxyz-is-the-rest-of-it',
  ],
}

const TELEGRAM_CERTAIN = 28

/** A bot's number, a colon, and 35 units that begin with `AA`, of which 30 are enough. `bot` may be glued to its front. */
const telegram: Matcher = {
  name: 'telegram_token',
  starts: isDigit,
  triggers: [{ chars: ':', after: 'A', back: 12, fires: (s, at) => isDigit(s.charCodeAt(at - 1)) }],
  maxLength: 12 + 3 + TELEGRAM_CERTAIN,
  tail: tailWhile(isToken),
  match(s, i, final, floor) {
    if (isDigit(unitFrom(s, i - 1, floor))) return NO
    let p = i
    while (p < s.length && p < i + 12 && isDigit(s.charCodeAt(p))) p++
    if (p === s.length) return final ? NO : MORE
    if (p - i < 8) return NO
    const from = prefixAt(s, p, ':AA', final)
    if (from < 0) return from
    const end = from + TELEGRAM_CERTAIN
    for (p = from; p < end; p++) {
      if (p === s.length) return final ? NO : MORE
      if (!isToken(s.charCodeAt(p))) return NO
    }
    return isMixed(s, from, end) ? end : NO
  },
}

export const telegramToken: Detector = {
  name: 'telegram_token',
  matchers: [telegram],
  examples: [
    joined('123456789', ':AA', 'AbCdEfGhIjKlMnOpQrStUvWxYz-012345'),
    joined('bot', '1234567890', ':AA', 'AbCdEfGhIjKlMnOpQrStUvWxYz_012345').slice(3),
  ],
  counterExamples: [
    '123456789:AAshort',
    '1234:AAAbCdEfGhIjKlMnOpQrStUvWxYz-012345',
    '123456789:AAxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    '12:30:45',
  ],
}
