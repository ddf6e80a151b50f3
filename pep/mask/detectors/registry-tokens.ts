import { isAlnum, isToken } from '../chars.ts'
import { joined } from './example.ts'
import type { Detector } from './matcher.ts'
import { prefixedToken } from './prefixed-token.ts'
import { dash, underscore } from './prefix-triggers.ts'

/*
 * Tokens of registries. Those of npm and GitHub end in a checksum, which is not asked for: a key that lost its end, or
 * a letter of which was altered, still gives most of itself away, and prefix and length alone are hardly ever wrong.
 */

/** `npm_` and 36 letters and digits. Certain after 20, of any length. */
export const npmToken: Detector = {
  name: 'npm_token',
  matchers: [
    prefixedToken({
      name: 'npm_token',
      prefixes: ['npm_'],
      body: isAlnum,
      certain: 20,
      mixed: true,
      trigger: underscore,
    }),
  ],
  examples: [joined('npm', '_', 'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789')],
  counterExamples: ['npm_config_registry', 'npm_lifecycle_event', 'npm_short1', 'npm_package_json'],
}

/** `pypi-` and a macaroon in base64url, whose first bytes are always `AgE`. Certain after 20 more, of any length. */
export const pypiToken: Detector = {
  name: 'pypi_token',
  matchers: [
    prefixedToken({
      name: 'pypi_token',
      prefixes: ['pypi-AgE'],
      body: isToken,
      certain: 20,
      mixed: true,
      trigger: dash,
    }),
  ],
  examples: [joined('pypi', '-AgE', 'IcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtNDAwMC04MDAw')],
  counterExamples: ['pypi-AgE', 'pypi-publish-action-of-2024', 'pypi-Agent-runner-image-name-42'],
}

/** Personal (`dckr_pat_`) and organisation (`dckr_oat_`) access tokens. Certain after 20, of any length. */
export const dockerToken: Detector = {
  name: 'docker_token',
  matchers: [
    prefixedToken({
      name: 'docker_token',
      prefixes: ['dckr_pat_', 'dckr_oat_'],
      body: isToken,
      certain: 20,
      mixed: true,
      trigger: underscore,
    }),
  ],
  examples: [
    joined('dckr', '_pat_', 'AbCdEfGh-IjKlMnOp_QrStUvWx1'),
    joined('dckr', '_oat_', '0123456789abcdefghijABCDEFGHIJ'),
  ],
  counterExamples: ['dckr_pat_', 'dckr_pat_short1', 'dckr_pat_name_of_the_variable'],
}

/**
 * `hf_` and 34 letters. Certain after 30, of any length: shorter ones occur as names (`hf_AutoModelForTokens`), so both
 * cases are asked for as well.
 */
export const huggingfaceToken: Detector = {
  name: 'huggingface_token',
  matchers: [
    prefixedToken({
      name: 'huggingface_token',
      prefixes: ['hf_'],
      body: isAlnum,
      certain: 30,
      mixed: true,
      trigger: underscore,
    }),
  ],
  examples: [joined('hf', '_', 'AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGh')],
  counterExamples: [
    'hf_hub_download',
    'hf_AutoModelForCausalLM',
    'hf_transformersautomodelforcausallanguage',
  ],
}
