import type { Adapter } from '../core/adapter.ts'
import { anthropic } from './anthropic/index.ts'
import { http } from './http/index.ts'

/** The kinds of connections: one folder and one line each. */
export const adapters: readonly Adapter[] = [anthropic, http]
