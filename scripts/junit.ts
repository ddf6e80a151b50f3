import type { PolicyCheck } from './policy-checks.ts'

/** Results as JUnit's XML, which CI systems show. */
export function junit(checks: readonly PolicyCheck[]): string {
  const suites = checks.map(({ name, ok, failures, cases, seconds, detail }) => {
    const own =
      cases && cases.length > 0
        ? cases.map((one) => testcase(name, `${one.name} (${one.place})`, one.failure))
        : [testcase(name, detail, ok ? undefined : failures.join('\n'))]
    // What fails beside the cases, coverage say, is a case of its own.
    const named = new Set(cases?.flatMap(({ failure }) => (failure === undefined ? [] : [failure])))
    if (cases && cases.length > 0 && !ok && named.size === 0)
      own.push(testcase(name, detail, failures.join('\n')))
    const failed = own.filter((one) => one.includes('<failure')).length
    return `  <testsuite name="${text(name)}" tests="${own.length}" failures="${failed}" time="${seconds.toFixed(3)}">\n${own.join('\n')}\n  </testsuite>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="countersign policy test">\n${suites.join('\n')}\n</testsuites>\n`
}

function testcase(suite: string, name: string, failure: string | undefined): string {
  const head = `    <testcase classname="policy.${text(suite)}" name="${text(name)}"`
  return failure === undefined
    ? `${head}/>`
    : `${head}>\n      <failure message="${text(failure.split('\n')[0] ?? '')}">${text(failure)}</failure>\n    </testcase>`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** XML 1.0 has no place for most control characters, however they are written. */
const text = (raw: string): string =>
  raw
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, (mark) => entities[mark] ?? mark)
