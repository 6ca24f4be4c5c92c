import { defineConfig } from 'vitest/config'

export default defineConfig({
  // It ends what hangs: a busy machine is several times slower.
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})
