import { isMainThread, workerData } from 'node:worker_threads'
import type { Backend } from '../backend'
import type { Drive } from '../capabilities'
import type { SockManOptions } from '../options'
import type { SockMan, SockManEvents } from '../sock-man'
import { scenarios } from './scenarios'

/** What a scenario gets: SockMans of the backend and drive under test, and its own arguments. */
export interface Stage {
  readonly create: (events: SockManEvents, options?: SockManOptions) => SockMan
  readonly args: readonly string[]
  /** The command line, for a worker that runs another scenario of this file. */
  readonly argv: readonly string[]
}

// The command line: module, export, drive, scenario, arguments. In a worker it comes as `workerData`.
const argv: readonly string[] = isMainThread ? process.argv.slice(2) : workerData
const [module, name, drive, scenario, ...args] = argv as [string, string, Drive, string, ...string[]]
const backend: Backend = (await import(module))[name]
const run = scenarios[scenario]
if (!run) throw new Error(`no scenario ${scenario}`)
const create: Stage['create'] = (events, options) => backend.createSockMan(events, { drive, ...options })
// From a callback of the loop, so that what it throws is an uncaught exception and no rejection.
setImmediate(() => run({ create, args, argv }))
