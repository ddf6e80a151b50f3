import { defineConfig } from 'vitest/config'

// `npm run test:crash`: what `npm test` does twice, many times.
export default defineConfig({
  test: {
    include: ['test/faults/**/*.test.ts'],
    env: { COUNTERSIGN_KILLS: '12' },
    testTimeout: 300_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
  },
})
