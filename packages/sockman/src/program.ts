import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { type DoctorOptions, doctor } from './doctor/doctor'
import { MANIFEST } from './paths'
import { Progress } from './progress'

const { version } = JSON.parse(readFileSync(MANIFEST, 'utf8')) as { version: string }

/**
 * The command line.
 *
 * @param abort ends what runs
 * @throws CommanderError (said already), MeasureError
 */
export async function run(args: readonly string[], abort: AbortSignal): Promise<void> {
  const program = new Command('sockman')
    .description('Swap the engine under your sockets.')
    .version(version)
    .exitOverride()
    .showHelpAfterError()
    .addHelpText('after', HELP)

  program
    .command('doctor')
    .description('which engines work on this machine, which one would be chosen, and why')
    .option('--json', 'everything as JSON on stdout')
    .option('--measure', 'also a short download and ping over each engine that works, and a recommendation')
    .allowExcessArguments(false)
    .exitOverride()
    .showHelpAfterError()
    .action(async (options: DoctorOptions) => console.log(await examine(options, abort)))

  await program.parseAsync(args, { from: 'user' })
}

async function examine(options: DoctorOptions, abort: AbortSignal): Promise<string> {
  using progress = new Progress()
  return await doctor(options, version, abort, progress.step)
}

const HELP = `
The environment variable SOCKMAN_BACKEND names the engine of programs that do not: name[:drive][:key=value...], such as
iouring:inline or poll:receivePool=8M, or auto. doctor says what comes of it.

Exit codes: 0 all well, whatever the doctor finds; 1 a measurement failed; 2 wrong usage; 130 Ctrl-C.
`
