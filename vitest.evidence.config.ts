import { defineConfig } from 'vitest/config'

// `npm run test:evidence`: what `npm test` does two hundred times, ten thousand times.
export default defineConfig({
  test: {
    include: ['test/evidence/**/*.test.ts'],
    env: { COUNTERSIGN_MUTATIONS: process.env['COUNTERSIGN_MUTATIONS'] ?? '10000' },
    hookTimeout: 60_000,
    // Of a disk or a database that stalls for a while nothing is to be learned.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    maxWorkers: 1,
  },
})
