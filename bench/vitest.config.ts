import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Real sockets and child processes on few cores: files one after the other, so that no stall timeout is another test's load.
  test: { include: ['test/**/*.test.ts'], fileParallelism: false, testTimeout: 60_000 },
})
