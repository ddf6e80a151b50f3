import { defineConfig } from 'vitest/config'

// `npm run test:crash`: what `npm test` does three times, fifty times.
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    env: { COUNTERSIGN_KILLS: process.env['COUNTERSIGN_KILLS'] ?? '50' },
    testTimeout: 300_000,
    hookTimeout: 60_000,
    // Of a disk or a database that stalls for a while nothing is to be learned.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    maxWorkers: 1,
  },
})
