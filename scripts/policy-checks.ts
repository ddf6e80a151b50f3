import { inspect, isDeepStrictEqual } from 'node:util'
import { judge, loadCases } from './policy-data/cases.ts'
import type { RunOpa } from './opa.ts'
import { decideWithOpa, withJsonFile } from './policy-data/evaluate-opa.ts'
import { readPolicyData } from './policy-data/read.ts'
import { prepareData } from './prepare-data.ts'
import { staleSchemas } from './schemas.ts'

/** One line of `countersign policy test`. */
export type PolicyCheck = {
  readonly name: string
  readonly ok: boolean
  /** What was looked at, or how many failed. */
  readonly detail: string
  /** `file:line: what is wrong`; the line is left out where there is none. */
  readonly failures: readonly string[]
  /** What it is made of, where that has names: unit tests, decision cases. */
  readonly cases?: readonly CheckedCase[]
  readonly seconds: number
}

export type CheckedCase = {
  readonly name: string
  readonly place: string
  readonly failure?: string
}

export type PolicyCheckParts = {
  readonly opa: RunOpa
  /** A function that decides with the WASM engine, on rules and data built now from the sources. */
  readonly engine: () => Promise<(input: unknown) => unknown>
  /** Says what is wrong with the file of capabilities; empty when it is what the engine has. */
  readonly capabilities: () => Promise<readonly string[]>
  /** Says what differs between the committed bundle and one built now; empty when nothing does. */
  readonly bundle: () => Promise<readonly string[]>
  readonly folders: PolicyFolders
}

export type PolicyFolders = {
  /** Rules and their tests. */
  readonly rules: string
  readonly data: string
  /** Data that the tests of the rules run on. */
  readonly fixtures: string
  readonly schemas: string
  /** What policy may call. */
  readonly capabilities: string
  readonly cases: string
}

export const policyFolders: PolicyFolders = {
  rules: 'rego/countersign',
  data: 'rego/data',
  fixtures: 'rego/fixtures',
  schemas: 'rego/schemas',
  capabilities: 'rego/capabilities.json',
  cases: 'test/decisions',
}

/** Least coverage of each file of rules, percent. */
export const LEAST_COVERAGE = 95

type Outcome = Pick<PolicyCheck, 'detail' | 'failures' | 'cases'>

/** A check, to be run when its line can be shown. Never rejects: a check that cannot be made has failed. */
export type PolicyCheckRun = { readonly name: string; readonly run: () => Promise<PolicyCheck> }

/** Every check of the policy, in the order in which a failure explains the next. */
export function policyChecks(parts: PolicyCheckParts): readonly PolicyCheckRun[] {
  return [
    check('format', () => checkFormat(parts)),
    check('data', () => checkData(parts)),
    check('capabilities', () => checkCapabilities(parts)),
    check('types', () => checkTypes(parts)),
    check('tests', () => checkTests(parts)),
    check('cases', () => checkCases(parts)),
    check('bundle', () => checkBundle(parts)),
  ]
}

const check = (name: string, make: () => Promise<Outcome>): PolicyCheckRun => ({
  name,
  run: async () => {
    const started = performance.now()
    const seconds = (): number => (performance.now() - started) / 1000
    try {
      const outcome = await make()
      return { name, ok: outcome.failures.length === 0, ...outcome, seconds: seconds() }
    } catch (error) {
      const message = error instanceof Error ? error.message : inspect(error)
      const detail = 'could not be checked'
      return { name, ok: false, detail, failures: [message], seconds: seconds() }
    }
  },
})

async function checkFormat({ opa, folders }: PolicyCheckParts): Promise<Outcome> {
  const { code, stdout, stderr } = await opa(['fmt', '--list', '--fail', folders.rules])
  if (code === 0) return { detail: 'opa fmt has nothing to change', failures: [] }
  const unformatted = lines(stdout).map((file) => `${file}:1: run opa fmt -w ${file}`)
  const failures = unformatted.length > 0 ? unformatted : located(stderr)
  return { detail: `${failures.length} files`, failures }
}

async function checkData({ folders }: PolicyCheckParts): Promise<Outcome> {
  prepareData(await readPolicyData(folders.fixtures))
  const { profile } = prepareData(await readPolicyData(folders.data))
  const { detectors, phrases, json_paths } = profile
  return {
    detail: `extracts ${detectors.length} detectors, ${phrases.length} phrase lists, ${json_paths.length} JSON paths`,
    failures: [],
  }
}

async function checkCapabilities({ capabilities }: PolicyCheckParts): Promise<Outcome> {
  const failures = await capabilities()
  return { detail: 'policy may call what the engine has, and nothing else', failures }
}

async function checkTypes({ opa, folders }: PolicyCheckParts): Promise<Outcome> {
  const stale = await staleSchemas(folders.schemas)
  const failures = stale.map((name) => `${folders.schemas}/${name}:1: run node scripts/schemas.ts`)
  const { code, stdout, stderr } = await opa([
    'check',
    '--strict',
    '--capabilities',
    folders.capabilities,
    '--schema',
    folders.schemas,
    folders.rules,
  ])
  if (code !== 0) failures.push(...located(stderr || stdout))
  return { detail: 'opa check --strict with schemas of input and data', failures }
}

type CoverageReport = {
  readonly coverage?: number
  readonly files?: Readonly<
    Record<
      string,
      { readonly coverage?: number; readonly not_covered?: readonly [{ start: { row: number } }] }
    >
  >
}

type TestReport = readonly {
  readonly location: { readonly file: string; readonly row: number }
  readonly name: string
  readonly fail?: boolean
  readonly error?: unknown
}[]

async function checkTests({ opa, folders }: PolicyCheckParts): Promise<Outcome> {
  const { data } = prepareData(await readPolicyData(folders.data))
  const fixture = prepareData(await readPolicyData(folders.fixtures)).data['countersign']
  return withJsonFile({ ...data, fixture }, async (path) => {
    const tested = await opa([
      'test',
      '--format',
      'json',
      '--capabilities',
      folders.capabilities,
      folders.rules,
      path,
    ])
    if (!tested.stdout.trimStart().startsWith('['))
      return { detail: 'opa test', failures: located(tested.stderr || tested.stdout) }
    const report = JSON.parse(tested.stdout) as TestReport
    const failed = report.filter((one) => one.fail === true || one.error !== undefined)
    if (failed.length > 0 || tested.code !== 0)
      return {
        detail: `${failed.length} of ${report.length} tests fail`,
        failures: failed.map(({ location, name }) => `${location.file}:${location.row}: ${name}`),
        cases: report.map(({ location, name, fail, error }) => ({
          name,
          place: `${location.file}:${location.row}`,
          ...((fail === true || error !== undefined) && { failure: 'fails' }),
        })),
      }
    const covered = await opa([
      'test',
      '--coverage',
      '--format',
      'json',
      '--capabilities',
      folders.capabilities,
      folders.rules,
      path,
    ])
    const cases = report.map(({ location, name }) => ({
      name,
      place: `${location.file}:${location.row}`,
    }))
    return { ...coverage(JSON.parse(covered.stdout) as CoverageReport, report.length), cases }
  })
}

function coverage(report: CoverageReport, tests: number): Outcome {
  const files = Object.entries(report.files ?? {}).filter(([file]) => !file.endsWith('_test.rego'))
  // A file without a line that could be covered (annotations alone) has no figure.
  const figures = files.flatMap(([file, { coverage, not_covered: lines }]) =>
    coverage === undefined && lines === undefined ? [] : [{ file, covered: coverage ?? 0, lines }],
  )
  const failures = figures
    .filter(({ covered }) => covered < LEAST_COVERAGE)
    .map(
      ({ file, covered, lines }) =>
        `${file}:${lines?.[0].start.row ?? 1}: ${covered.toFixed(1)} % covered, ${LEAST_COVERAGE} % needed`,
    )
  if (tests === 0 || figures.length === 0) failures.push('there are no tests')
  const least = Math.min(...figures.map(({ covered }) => covered))
  return { detail: `${tests} tests, every file covered to ${least.toFixed(1)} % or more`, failures }
}

/** Every case through `opa` and through our engine; they must agree with the case and, exactly, with each other. */
async function checkCases({ opa, engine, folders }: PolicyCheckParts): Promise<Outcome> {
  const cases = await loadCases(folders.cases)
  const { data } = prepareData(await readPolicyData(folders.data))
  const inputs = cases.map((one) => one.input)
  const byOpa = await decideWithOpa(opa, { folder: folders.rules, data }, inputs)
  const decide = await engine()
  const checked = cases.map((one, at): CheckedCase => {
    const ours = decide(one.input)
    const differs = judge(one, ours)
    if (!isDeepStrictEqual(ours, byOpa[at]))
      differs.push(`the engine says ${JSON.stringify(ours)}, opa ${JSON.stringify(byOpa[at])}`)
    return {
      name: one.description,
      place: `${one.file}:${one.line}`,
      ...(differs.length > 0 && { failure: differs.join('; ') }),
    }
  })
  const failures = checked.flatMap(({ name, place, failure }) =>
    failure === undefined ? [] : [`${place}: ${name}: ${failure}`],
  )
  return {
    detail: `${cases.length} decisions, the same in opa and in the engine`,
    failures,
    cases: checked,
  }
}

async function checkBundle({ bundle }: PolicyCheckParts): Promise<Outcome> {
  const failures = await bundle()
  return { detail: 'the committed bundle is what the sources build', failures }
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '')

/** OPA's errors that name a place; all of its output when none does. */
function located(output: string): string[] {
  const places = lines(output).flatMap((line) => {
    const match = /(\S+\.(?:rego|json|ya?ml):\d+: .*)$/.exec(line)
    return match?.[1] === undefined ? [] : [match[1]]
  })
  return places.length > 0 ? places : lines(output)
}
