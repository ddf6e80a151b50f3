import type { Explanation } from '../../../pdp/decide/explain.ts'
import { paint, shown } from '../output.ts'

const MOST_VALUE = 80

/** An explanation for a person: the effect, its rules with where they stand, what it hangs on, and what it obliges to. */
export function explained({ verdict, rules, inputs, incomplete }: Explanation): string {
  const { effect, obligations } = verdict
  const lines = [paint(effect === 'allow' ? 'green' : effect === 'deny' ? 'red' : 'yellow', effect)]
  for (const { rule, message, sources } of rules) {
    lines.push(`  ${paint('bold', shown(rule))}  ${shown(message)}`)
    for (const { file, line, title } of sources)
      lines.push(
        paint('dim', `    ${shown(file)}:${line}${title === undefined ? '' : `  ${shown(title)}`}`),
      )
  }
  if (inputs.length > 0) lines.push('it hangs on')
  for (const { path, value, otherwise } of inputs) {
    const text = JSON.stringify(value)
    const cut = text.length > MOST_VALUE ? `${text.slice(0, MOST_VALUE)}…` : text
    lines.push(
      `  ${shown(path)} = ${shown(cut)}${otherwise === effect ? '' : `   (else ${otherwise})`}`,
    )
  }
  if (incomplete) lines.push('  … and values that were not tried')
  for (const one of obligations) lines.push(`obligation ${shown(JSON.stringify(one))}`)
  return lines.join('\n')
}
