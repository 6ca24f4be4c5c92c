import type { ProbeResult } from '../backend'
import type { Capabilities } from '../capabilities'
import { channels } from '../diagnostics'
import { invalidArgument, SockError } from '../errors'
import { resolveRejected, resolveSockManOptions, type SockManOptions } from '../options'
import { formatRow, settingsOf } from '../row'
import type { SockFactory } from '../sock/factory'
import type { Rejection, SelectionReport, SockMan, SockManEvents } from '../sock-man'
import type { Kernel } from './kernel'
import type { ClockMode, MemoryHost, MemoryNetwork } from './memory-network'
import { MemorySocks } from './memory-sock'
import { MemorySockMan } from './memory-sock-man'
import { MemorySockHost } from './sock-host'

const supports: Readonly<Capabilities> = Object.freeze({
  drives: Object.freeze(['inline'] as const),
  descriptorLimit: null,
  unixSockets: true,
  abstractUnix: true,
  halfClose: true,
  resetWhilePaused: true,
  closeWhilePaused: false,
  zeroCopyReceive: false,
  optimisticSend: true,
  unixReset: true,
  acceptFilterBeforeRead: true,
  foreignClose: true,
  reusePort: true,
  descriptors: false,
  multishot: false,
  providedBuffers: false,
})

/** A kernel as a backend. */
export class Host implements MemoryHost {
  readonly name = 'memory'
  readonly supports = supports
  readonly network: MemoryNetwork
  readonly kernel: Kernel
  readonly socks: SockFactory
  readonly #details: SelectionReport['details']

  constructor(network: MemoryNetwork, kernel: Kernel, clock: ClockMode) {
    this.network = network
    this.kernel = kernel
    this.socks = new MemorySocks(new MemorySockHost(kernel))
    this.#details = Object.freeze({ seed: network.seed, clock })
  }

  get addresses(): readonly string[] {
    return this.kernel.addresses
  }

  get files(): Set<string> {
    return this.kernel.names.files
  }

  probe(): ProbeResult {
    return { available: true, drives: supports.drives, details: this.#details }
  }

  createSockMan(
    events: SockManEvents,
    options: SockManOptions = {},
    rejected?: readonly Rejection[],
  ): SockMan {
    const resolved = resolveSockManOptions(options)
    // Stricter than a kernel, unless told not to be.
    if (options.poison === undefined) resolved.poison = true
    const { drive = 'inline' } = options
    if (drive !== 'inline') {
      if (drive !== 'thread')
        throw invalidArgument('ERR_INVALID_ARG_VALUE', 'options.drive', "'thread' or 'inline'", drive)
      throw new SockError('memory has no thread drive here, only inline', { code: 'ERR_UNSUPPORTED_DRIVE' })
    }
    const selection = Object.freeze({
      backend: this.name,
      drive,
      row: formatRow({ name: this.name, drive, settings: settingsOf(options, resolved) }),
      details: this.#details,
      rejected: resolveRejected(rejected),
    })
    const man = new MemorySockMan(events, { supports, selection, options: resolved }, this.kernel)
    if (channels.selection.hasSubscribers) channels.selection.publish(selection)
    return man
  }
}
