import { once } from 'node:events'
import { parseSize, SockAddr, type SockError } from '@sockman/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { openBlockSet, SYNTHETIC_LARGE } from './blocks/block-set'
import { NET_ROWS, runIbd } from './ibd/ibd'
import { formatIbd, summarizeRows } from './ibd/report'
import { formatLines, LINES, runLines } from './lines'
import { formatMemory, runMemory } from './memory'
import { formatMicro, runMicro } from './micro'
import { PING_CONNECTIONS, PING_NET_ROWS, runPing } from './ping/ping'
import { formatPing, summarizePoints } from './ping/report'
import { PROFILES, type ProfileName } from './profile'
import { RATE, runRate } from './rate/rate'
import { formatRate } from './rate/report'
import { writeJson } from './report/json'
import { BACKEND_NAMES } from './rows/backends'
import { parseBenchRow } from './rows/row'
import { BlockServer, type SendPath } from './server/block-server'
import type { Verify } from './wire/framing'
import { NETWORKS, type Network } from './wire/network'

/**
 * The command line.
 *
 * @param abort ends what runs
 * @returns a function of the arguments that answers the exit code; it throws CommanderError (said already),
 *   UsageError, BenchError
 */
export function createProgram(abort: AbortSignal): (args: string[]) => Promise<number> {
  let exitCode = 0
  const program = new Command('bench')
    .description('Which engine carries block-download traffic best on this machine? Rows x scenarios.')
    .exitOverride()
    .showHelpAfterError('(see: bench --help)')
    .addHelpText('after', HELP)
  const command = (name: string, isDefault = false) =>
    program.command(name, { isDefault }).exitOverride().showHelpAfterError('(see: bench --help)')

  command('ibd', true)
    .description('download blocks over every row, side by side (the default command)')
    .addOption(rows(NET_ROWS))
    .option('--peers <n>', 'connections', integer(1, 10_000), 8)
    .addOption(blocks())
    .addOption(profile())
    .option('--trials <n>', "per row (default: the profile's)", integer(1, 1000))
    .option(
      '--laps <n>',
      'measured times over the set (default: enough for the profile)',
      integer(1, 1_000_000),
    )
    .addOption(
      new Option('--verify <what>', 'what is hashed').choices(['checksum', 'none']).default('checksum'),
    )
    .option(
      '--stall-timeout <seconds>',
      'a peer has it for its handshake, its headers and each block',
      seconds,
      5,
    )
    .option(
      '--connect <addresses>',
      'download from running servers, IP:port separated by commas, instead of starting one',
      addresses,
    )
    .addOption(sendPath())
    .addOption(
      new Option('--network <name>', 'of the servers of --connect').choices(NETWORKS).default('regtest'),
    )
    .option('--json <file>', 'write every number there')
    .action(async (options: IbdArguments) => {
      const { json, stallTimeout, backend, ...others } = options
      const result = await runIbd(
        {
          laps: undefined,
          trials: undefined,
          connect: undefined,
          ...others,
          rows: backend,
          stallTimeout: stallTimeout * 1000,
        },
        abort,
      )
      if (json) writeJson(json, 'ibd', { ...result, summaries: summarizeRows(result.rows) })
      console.log(formatIbd(result))
      if (result.rows.some(({ failure }) => failure !== undefined)) exitCode = 1
    })

  command('ping')
    .description('32-byte request and response over every row')
    .addOption(rows(PING_NET_ROWS))
    .option('--connections <list>', 'numbers separated by commas', integers, [...PING_CONNECTIONS])
    .addOption(profile())
    .option('--trials <n>', "per point (default: the profile's)", integer(1, 1000))
    .option('--seconds <s>', "per measurement (default: the profile's)", seconds)
    .option('--json <file>', 'write every number there')
    .action(async ({ json, backend, ...options }: PingArguments) => {
      const result = await runPing(
        { trials: undefined, seconds: undefined, ...options, rows: backend },
        abort,
      )
      if (json) writeJson(json, 'ping', { ...result, summaries: summarizePoints(result.points) })
      console.log(formatPing(result))
    })

  command('rate')
    .description('how exactly receiveRate, sendRate and those in all hold, and what they cost')
    .addOption(rows([]))
    .option('--connections <list>', 'numbers separated by commas', integers, [...RATE.connections])
    .addOption(
      new Option('--rate <size>', 'bytes per second, such as 8M: of each connection, or of all together')
        .argParser(size)
        .default(parseSize(RATE.rate)!, RATE.rate),
    )
    .option('--seconds <s>', 'per measurement', seconds, RATE.seconds)
    .option('--json <file>', 'write every number there')
    .action(async ({ json, backend, ...options }: RateArguments) => {
      const result = await runRate({ ...options, rows: backend }, abort)
      if (json) writeJson(json, 'rate', result)
      console.log(formatRate(result))
    })

  command('micro')
    .description('addresses, framing, one send and one receive crossing')
    .option('--seconds <s>', 'per operation', seconds, 0.5)
    .option('--json <file>', 'write every number there')
    .action(async ({ json, seconds }: { json?: string; seconds: number }) => {
      const result = await runMicro(seconds, (line) => console.error(line))
      if (json) writeJson(json, 'micro', result)
      console.log(formatMicro(result))
    })

  command('lines')
    .description("recvUntilTerminator against reading byte by byte, over one of a backend's Socks")
    .option('--backend <name>', 'whose Socks', 'poll')
    .option('--mebibytes <n>', 'how much is read', integer(1, 1024), LINES.bytes / 2 ** 20)
    .option('--passes <n>', 'over all of it; byte by byte once', integer(1, 1000), 5)
    .option('--json <file>', 'write every number there')
    .action(async ({ json, mebibytes, ...options }: LinesArguments) => {
      const result = await runLines({ ...options, bytes: mebibytes * 2 ** 20 }, (line) => console.error(line))
      if (json) writeJson(json, 'lines', result)
      console.log(formatLines(result))
    })

  command('memory')
    .description('the in-memory network: opening connections, messages, heap')
    .option('--connections <n>', 'open at once', integer(1, 1_000_000), 100_000)
    .option('--messages <n>', 'of 32 bytes, in all', integer(1, 100_000_000), 1_000_000)
    .option('--trials <n>', 'repetitions', integer(1, 1000), 3)
    .option('--json <file>', 'write every number there')
    .action(async ({ json, ...options }: MemoryArguments) => {
      const result = await runMemory(options, (line) => console.error(line))
      if (json) writeJson(json, 'memory', result)
      console.log(formatMemory(result))
    })

  command('serve')
    .description('serve blocks until Ctrl-C')
    .addOption(blocks())
    .option('--listen <address>', 'IP:port, 0 for a free port', address, SockAddr.parse('127.0.0.1:0'))
    .addOption(sendPath())
    .action(async (options: { blocks: string; listen: SockAddr; send: SendPath }) => {
      const set = openBlockSet(options.blocks)
      await using server = await BlockServer.start(set, options.listen, options.send)
      for (const note of set.notes) console.error(note)
      console.log(
        `serving ${server.count} blocks (${(server.bytes / 1e6).toFixed(1)} MB) of ${set.name} at ${server.address}`,
      )
      console.log(`download them: bench ibd --connect ${server.address} --network ${set.network}`)
      if (!abort.aborted) await Promise.race([once(abort, 'abort'), server.ended])
      abort.throwIfAborted()
      console.error(`error: the serving process ended: ${await server.ended}`)
      exitCode = 1
    })

  return async (args) => {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  }
}

interface IbdArguments {
  backend: string[] | undefined
  peers: number
  blocks: string
  profile: ProfileName
  trials?: number
  laps?: number
  verify: Verify
  stallTimeout: number
  send: SendPath
  connect?: SockAddr[]
  network: Network
  json?: string
}

interface LinesArguments {
  backend: string
  mebibytes: number
  passes: number
  json?: string
}

interface MemoryArguments {
  connections: number
  messages: number
  trials: number
  json?: string
}

interface PingArguments {
  backend: string[] | undefined
  connections: number[]
  profile: ProfileName
  trials?: number
  seconds?: number
  json?: string
}

interface RateArguments {
  backend: string[] | undefined
  connections: number[]
  rate: number
  seconds: number
  json?: string
}

/** @param net rows beside those of the engines in a run that names none */
function rows(net: readonly string[]): Option {
  const byDefault = ['every backend on every drive', ...(net.length > 0 ? [`and ${net.join(', ')}`] : [])]
  return new Option(
    '--backend <rows>',
    `separated by commas (default: ${byDefault.join(', ')}: what works here)`,
  ).argParser((text) => text.split(',').map((row) => parseBenchRow(row.trim()).text))
}

function blocks(): Option {
  return new Option(
    '--blocks <source>',
    `a node's blocks folder, a block file, a directory of them, or ${SYNTHETIC_LARGE}`,
  )
    .env('SOCKMAN_BLOCKS')
    .default(SYNTHETIC_LARGE)
}

function sendPath(): Option {
  const meaning = 'how blocks leave the server: by page reference, or copied'
  return new Option('--send <path>', meaning).choices(['sendfile', 'send']).default('sendfile')
}

function profile(): Option {
  return new Option('--profile <name>', 'how long to measure').choices(Object.keys(PROFILES)).default('quick')
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`it must be an integer from ${min} to ${max}.`)
  }
}

function integers(text: string): number[] {
  return text.split(',').map(integer(1, 10_000))
}

function size(text: string): number {
  const bytes = parseSize(text)
  if (bytes && Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('it must be a size of at least 1 byte, such as 8M.')
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value <= 3600) return value
  throw new InvalidArgumentError('it must be a number of seconds, above 0 and up to 3600.')
}

function address(text: string): SockAddr {
  try {
    return SockAddr.parse(text)
  } catch (error) {
    throw new InvalidArgumentError((error as SockError).message)
  }
}

function addresses(text: string): SockAddr[] {
  return text.split(',').map(address)
}

const HELP = `
A row is name[:drive][:key=value...]: ${BACKEND_NAMES.join(', ')} with :thread or :inline and SockMan's options
(iouring:thread:receivePool=8M); net ('data' events); net:onread=1M (the onread option); net:raw (counts bytes only).

Exit codes: 0 all well; 1 a row failed, blocks are missing or the server went away; 2 wrong usage; 130 Ctrl-C.

Examples:
  bench                                                        every row on synthetic:large
  bench ibd --backend poll,iouring:inline,net --verify none --trials 7
  bench ibd --blocks ~/.bitcoin/blocks --json result.json      a node's folder, obfuscated or not; its first 2 GiB
  bench ping --backend iouring:inline,net --connections 1,64
  bench rate --backend epoll:thread --rate 8M                  whether limits of 8 MiB/s hold, and their CPU
  bench memory --connections 100000 --messages 1000000
  bench serve --listen 127.0.0.1:8333                          then, elsewhere: bench ibd --connect 127.0.0.1:8333
`
