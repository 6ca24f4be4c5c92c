import { defineConfig } from 'tsup'

export default defineConfig({
  // The command, and the processes it starts for itself.
  entry: ['src/cli.ts', 'src/row-process.ts', 'src/peer-process.ts'],
  format: 'esm',
  target: 'node20',
  clean: true,
  outDir: 'dist',
})
