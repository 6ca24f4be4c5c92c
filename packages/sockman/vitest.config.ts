import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Measurements on few cores: nothing may run beside them.
  test: { include: ['test/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000 },
})
