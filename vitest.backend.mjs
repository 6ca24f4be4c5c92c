import { defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'

/** A backend's cases, run twice: on a process's main thread, and inside a worker thread. */
export default defineConfig({
  test: {
    // Cases measure latency and CPU: nothing may run beside them.
    fileParallelism: false,
    testTimeout: full ? 600_000 : 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'main', pool: 'forks' } },
      { extends: true, test: { name: 'worker', pool: 'threads' } },
    ],
  },
})
