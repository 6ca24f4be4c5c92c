import { configDefaults, defineConfig } from 'vitest/config'

const full = process.env.SOCKMAN_SUITE === 'full'
/** What installs and compiles has a tier of its own: `npm run test:install`. */
const install = process.env.SOCKMAN_TIER === 'install'
const installing = ['installed.test.ts', 'types.test.ts', 'example-packed.test.ts', 'socks5-packed.test.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    ...(install ? { include: installing } : { exclude: [...configDefaults.exclude, ...installing] }),
    // Two cores: a second file's traffic would be measured as this one's delay.
    fileParallelism: false,
    // Of the cases that say they may run side by side.
    maxConcurrency: 2,
    // They end what hangs: a busy machine is several times slower.
    testTimeout: full ? 600_000 : 120_000,
    hookTimeout: 120_000,
  },
})
