import { defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'

export default defineConfig({
  test: {
    pool: 'forks',
    // Two cores: a second file's traffic would be measured as this one's delay.
    fileParallelism: false,
    testTimeout: full ? 600_000 : 30_000,
    hookTimeout: 30_000,
  },
})
