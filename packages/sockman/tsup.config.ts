import { defineConfig } from 'tsup'

export default defineConfig({
  // What is imported, the command, and the process that a measurement starts for itself.
  entry: {
    index: 'src/index.ts',
    measure: 'src/measure/index.ts',
    cli: 'src/cli.ts',
    trial: 'src/measure/trial.ts',
  },
  format: 'esm',
  target: 'node20',
  clean: true,
  dts: {
    entry: { index: 'src/index.ts', measure: 'src/measure/index.ts' },
    compilerOptions: { ignoreDeprecations: '6.0' },
  },
  // Also those that are not installed: the candidates are imported when they are wanted.
  external: [/^@sockman\//],
  outDir: 'dist',
})
