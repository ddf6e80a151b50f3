import { bodies } from './bodies.ts'
import { larges } from './large.ts'
import { maskers } from './maskers.ts'
import { readers } from './readers.ts'
import { streams } from './streams.ts'
import type { Target } from './target.ts'

/** Everything that is fed. */
export const targets: readonly Target[] = [...streams, ...bodies, ...maskers, ...readers, ...larges]
