import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{identity,pdp,pep,scripts,sealing,server,test}/**/*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 60_000,
    // Of a disk or a database that stalls for a while nothing is to be learned.
    expect: { poll: { timeout: 10_000 } },
    // Two cores: a fork per file, two at a time, keeps servers and databases apart.
    pool: 'forks',
    maxWorkers: 2,
  },
})
