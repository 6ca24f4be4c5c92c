import { defineConfig } from 'tsup'

export default defineConfig({
  // The command, and the processes it starts for itself.
  entry: {
    cli: 'src/cli.ts',
    trial: 'src/ibd/trial.ts',
    echo: 'src/ping/echo.ts',
    'rate-peer': 'src/rate/peer.ts',
  },
  format: 'esm',
  target: 'node20',
  clean: true,
  outDir: 'dist',
})
