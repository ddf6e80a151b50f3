import { joined } from './example.ts'
import { isAlnum, isToken } from '../chars.ts'
import type { Detector } from './matcher.ts'
import { prefixedToken } from './prefixed-token.ts'
import { dash } from './prefix-triggers.ts'

export const anthropicKey: Detector = {
  name: 'anthropic_key',
  matchers: [
    prefixedToken({
      name: 'anthropic_key',
      prefixes: ['sk-ant-'],
      body: isToken,
      certain: 16,
      mixed: true,
      trigger: dash,
    }),
  ],
  examples: [
    joined('sk-', 'ant', '-api03-AbCdEfGhIjKlMnOpQrSt_UvWxYz-0123456789AA'),
    joined('sk-', 'ant', '-sid01-0123456789abcdef'),
  ],
  counterExamples: ['sk-ant-', 'sk-ant-short1', 'task-ant-colony-optimization-study'],
}

export const openaiKey: Detector = {
  name: 'openai_key',
  matchers: [
    prefixedToken({
      name: 'openai_key',
      prefixes: ['sk-'],
      body: isAlnum,
      certain: 20,
      mixed: true,
      trigger: dash,
    }),
    prefixedToken({
      name: 'openai_key',
      prefixes: ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-service-', 'sk-None-', 'sk-or-v1-'],
      body: isToken,
      certain: 20,
      mixed: true,
      trigger: dash,
    }),
  ],
  examples: [
    joined('sk-', 'proj', '-AbCdEfGhIjKlMnOpQrStUvWxYz_0123456789-x'),
    joined('sk-', 'A1b2C3d4E5f6G7h8I9j0', 'K1l2M3n4O5p6Q7r8S9t0'),
  ],
  counterExamples: [
    'sk-spinner-wave-container-element',
    'task-management-system-overview-page',
    'sk-1234',
    'sk-proj-management-overview-document',
  ],
}
