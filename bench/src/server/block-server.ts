import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SockAddr } from '@sockman/core'
import type { BlockSet } from '../blocks/block-set'
import { BenchError, UsageError } from '../errors'
import { SERVE } from '../paths'
import { encodeHeader } from '../wire/message'
import { MAGIC, type Network } from '../wire/network'
import { type Helper, spawnHelper } from './helper'

/** CPU seconds and bytes of the serving process since its start. */
export interface ServerUsage {
  readonly user: number
  readonly system: number
  readonly bytesSent: number
}

/** The serving process has ended: no row can go on. */
export class ServerGone extends BenchError {
  /** @param end as `BlockServer.ended` has it */
  constructor(end: string) {
    super(`the serving process ended (${end})`)
  }
}

/** How block messages leave the serving process: by page reference (sendfile(2)), or copied (send(2)). */
export type SendPath = 'sendfile' | 'send'

/**
 * The native serving process: it holds a block set in anonymous memory and answers downloading clients.
 * Owned by who starts it: `stop` it. It ends by itself when this process does.
 */
export class BlockServer implements AsyncDisposable {
  readonly address: SockAddr
  readonly network: Network
  /** Lengths of the `block` messages in the order of the set, headers of 24 bytes included. */
  readonly sizes: readonly number[]
  readonly #helper: Helper
  readonly #lines: AsyncIterator<string>

  private constructor(
    address: SockAddr,
    network: Network,
    sizes: number[],
    helper: Helper,
    lines: AsyncIterator<string>,
  ) {
    this.address = address
    this.network = network
    this.sizes = sizes
    this.#helper = helper
    this.#lines = lines
  }

  /**
   * Starts a process that serves `set`, once it listens.
   *
   * @param address TCP; port 0 takes a free one
   * @throws BenchError when the set is malformed or the program not built; ServerGone, after its own line on
   *   stderr, when the address cannot be had
   */
  static async start(set: BlockSet, address: SockAddr, path: SendPath = 'sendfile'): Promise<BlockServer> {
    if (address.family === 'unix') throw new UsageError(`--listen takes an IP address, not ${address}`)
    const magic = MAGIC[set.network]
    const host = address.zone ? `${address.host}%${address.zone}` : address.host
    const helper = spawnHelper(
      SERVE,
      [host, String(address.port), magic.toString(16), path],
      ['pipe', 'pipe', 'inherit', 'pipe'],
    )
    const lines = createInterface({ input: helper.process.stdout! })[Symbol.asyncIterator]()
    const sizes: number[] = []
    try {
      // A server that fails before it has read all breaks the pipe; its own words and exit code say more than
      // EPIPE.
      const sent = pipeline(
        Readable.from(messages(set, magic, sizes)),
        helper.process.stdio[3] as NodeJS.WritableStream,
      )
      await sent.catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error
        throw new ServerGone(await helper.ended)
      })
      const { listening } = await answer<{ listening: string }>(lines, helper)
      return new BlockServer(SockAddr.parse(listening), set.network, sizes, helper, lines)
    } catch (error) {
      await helper.stop()
      throw error
    }
  }

  get pid(): number {
    return this.#helper.process.pid!
  }

  /** Blocks in the set. */
  get count(): number {
    return this.sizes.length
  }

  /** Bytes of the set on the wire. */
  get bytes(): number {
    return this.sizes.reduce((sum, size) => sum + size, 0)
  }

  /** How it ended, in words; pending while it lives. */
  get ended(): Promise<string> {
    return this.#helper.ended
  }

  /** @throws ServerGone */
  async usage(): Promise<ServerUsage> {
    this.#helper.process.stdin!.write('usage\n')
    return await answer<ServerUsage>(this.#lines, this.#helper)
  }

  /** Ends the process and waits for it. Again: harmless. */
  async stop(): Promise<void> {
    await this.#helper.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** The set as it goes over the wire; notes each message's length. */
function* messages(set: BlockSet, magic: number, sizes: number[]): Iterable<Buffer> {
  for (const block of set.blocks()) {
    sizes.push(24 + block.length)
    yield Buffer.concat([encodeHeader(magic, 'block', block), block])
  }
}

async function answer<T>(lines: AsyncIterator<string>, helper: Helper): Promise<T> {
  const { value, done } = await lines.next()
  if (done) throw new ServerGone(await helper.ended)
  return JSON.parse(value) as T
}
