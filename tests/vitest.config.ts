import { defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'

export default defineConfig({
  test: {
    pool: 'forks',
    // Two cores: a second file's traffic would be measured as this one's delay.
    fileParallelism: false,
    // Of the cases that say they may run side by side.
    maxConcurrency: 2,
    // They end what hangs: a busy machine is several times slower.
    testTimeout: full ? 600_000 : 120_000,
    hookTimeout: 120_000,
  },
})
