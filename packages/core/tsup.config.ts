import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/memory/index.ts',
    'src/mock/index.ts',
    'src/conformance/index.ts',
    'src/conformance/child.ts',
    'src/conformance/ringer.ts',
  ],
  format: 'esm',
  target: 'node20',
  clean: true,
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  outDir: 'dist',
})
