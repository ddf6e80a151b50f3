import { defineConfig } from 'vitest/config'

// `npm run test:evidence`: what `npm test` does two hundred times, ten thousand times.
export default defineConfig({
  test: {
    include: ['test/evidence/**/*.test.ts'],
    env: { COUNTERSIGN_MUTATIONS: process.env['COUNTERSIGN_MUTATIONS'] ?? '10000' },
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
  },
})
