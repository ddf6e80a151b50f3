import { parseMessages } from '../../pep/adapters/anthropic/describe.ts'
import { maskRequest } from '../../pep/adapters/anthropic/request-mask.ts'
import { createMasks, Findings } from '../../pep/core/masks.ts'
import { anthropicFacts, ScanCache } from '../../pep/facts/anthropic.ts'
import { compilePhrases } from '../../pep/facts/phrases.ts'
import { cleanText } from '../../pep/mask/bench.ts'
import { compileFindings } from '../../pep/mask/findings.ts'
import { builtinNames } from '../../pep/mask/types.ts'
import { remark, type Report } from './report.ts'

const ROUNDS = 7
const MESSAGES = 200
const BYTES = 20_000

/** A conversation of 4 MB in 200 messages, sent once, and then again with one message more, as agents do each turn. */
export function turns(report: Report): Promise<void> {
  remark('turns: a conversation of 4 MB')
  const text = cleanText((MESSAGES * BYTES) / 1e6 + 1)
  const messages = Array.from({ length: MESSAGES }, (_, at) => ({
    role: at % 2 === 0 ? 'user' : 'assistant',
    content: [{ type: 'text', text: `${at} ${text.slice(at * BYTES, (at + 1) * BYTES)}` }],
  }))
  const body = (more: number): Buffer =>
    Buffer.from(
      JSON.stringify({
        model: 'claude-bench',
        max_tokens: 100,
        messages: [
          ...messages,
          ...Array.from({ length: more }, (_, at) => ({
            role: 'user',
            content: `And turn ${at}?`,
          })),
        ],
      }),
    )
  const first: number[] = []
  const parse: number[] = []
  const again: number[] = []
  run() // compiled before it is measured
  for (let round = 0; round < ROUNDS; round += 1) {
    const took = run()
    first.push(took.first)
    parse.push(took.parse)
    again.push(took.again)
  }
  const common = { suite: 'turns', unit: 'ms', lower_is_better: true }
  report({ ...common, metric: 'scan and mask of 4 MB, the first time', ours: first })
  report({ ...common, metric: 'the same and one message more', ours: again })
  report({ ...common, metric: 'reading its JSON strictly, each time', ours: parse })
  report({
    ...common,
    metric: 'scan and mask with one message more ÷ the first time',
    unit: '×',
    ours: again.map((value, round) => value / (first[round] ?? Number.NaN)),
    goal: 0.1,
  })
  return Promise.resolve()

  /** Milliseconds, with caches of its own. */
  function run(): { readonly first: number; readonly parse: number; readonly again: number } {
    const detectors = compileFindings([...builtinNames], [])
    const phrases = compilePhrases([{ name: 'secret', phrases: ['project bluebird'] }])
    const scans = new ScanCache((one) => ({ detectors: detectors(one), phrases: phrases(one) }))
    const masks = createMasks(new Uint8Array(32).fill(1))
    const masking = masks.of(
      [{ kind: 'mask', where: 'request', detectors: [...builtinNames], style: 'redact' }],
      { customs: [], literals: [], session: 'bench' },
    )
    const turn = (more: number): { readonly parse: number; readonly rest: number } => {
      const bytes = body(more)
      const start = performance.now()
      const parsed = parseMessages(bytes)
      if (!parsed.ok) throw new Error('the conversation is not one')
      const read = performance.now()
      anthropicFacts(parsed.value.request, [], scans)
      const masked = maskRequest(masking, new Findings(), parsed.value.text, parsed.value.request)
      if (!masked.ok || masked.value !== parsed.value.text) throw new Error('it was altered')
      return { parse: read - start, rest: performance.now() - read }
    }
    const cold = turn(1)
    const warm = [2, 3, 4].map(turn)
    const rest = warm.map((one) => one.rest).sort((a, b) => a - b)[1] ?? Number.NaN
    return { first: cold.rest, parse: cold.parse, again: rest }
  }
}
