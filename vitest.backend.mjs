import { defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'

/** A backend's cases, run twice: on a process's main thread, and inside a worker thread. */
export default defineConfig({
  test: {
    // Cases measure their process's CPU: nothing of this package may run beside them.
    fileParallelism: false,
    // It ends what hangs: a busy machine is several times slower.
    testTimeout: full ? 600_000 : 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'main', pool: 'forks' } },
      { extends: true, test: { name: 'worker', pool: 'threads' } },
    ],
  },
})
