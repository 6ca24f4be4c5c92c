import { configDefaults, defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'
/** What installs and compiles has a tier of its own, `npm run test:install`, and so have programs, `npm run test:apps`. */
const tier = process.env.SOCKMAN_TIER
const programs = ['examples/*.test.ts']
const installing = ['installed.test.ts', 'types.test.ts', 'example-packed.test.ts', 'socks5-packed.test.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    ...(tier
      ? { include: tier === 'apps' ? programs : installing }
      : { exclude: [...configDefaults.exclude, ...installing, ...programs] }),
    // Two cores: a second file's traffic would be measured as this one's delay.
    fileParallelism: false,
    // Of the cases that say they may run side by side: here they wait, in the other tiers they compile.
    maxConcurrency: tier ? 2 : 4,
    // They end what hangs: a busy machine is several times slower.
    testTimeout: full ? 600_000 : 120_000,
    hookTimeout: 120_000,
  },
})
