import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { SockAddr } from '@sockman/core'
import { syntheticLarge } from '../src/blocks/synthetic'
import { Framer } from '../src/wire/framing'
import { displayHash, sha256d } from '../src/wire/hash'
import { decodeInventory, encodeHeaders, encodeMessage, encodeVersion } from '../src/wire/message'
import { MAGIC } from '../src/wire/network'

/** What the fakes serve: the first blocks of `synthetic:large`, more than one peer is asked for at a time. */
export const BLOCKS: readonly Buffer[] = firstBlocks(18)

function firstBlocks(count: number): Buffer[] {
  const blocks: Buffer[] = []
  for (const block of syntheticLarge().blocks()) {
    if (blocks.push(Buffer.from(block)) === count) break
  }
  return blocks
}

const MESSAGES: ReadonlyMap<string, Buffer> = new Map(
  BLOCKS.map((block) => [
    displayHash(sha256d(block.subarray(0, 80))),
    encodeMessage(MAGIC.regtest, 'block', block),
  ]),
)

/** Where a peer leaves the protocol. */
export interface Fault {
  /** Instead of version and verack. */
  onVersion?(socket: Socket): void
  /** Instead of the headers of {@link BLOCKS}, asked for as the `nth` time, from 0. */
  onHeaders?(socket: Socket, nth: number): void
  /** Instead of the block message asked for as the `nth`, from 0. */
  onBlock?(socket: Socket, message: Buffer, nth: number): void
}

/** A Bitcoin peer over `node:net` that serves {@link BLOCKS}, or does what its fault says. */
export class FakePeer implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  address = ''

  private constructor(fault: Fault) {
    this.#server = createServer((socket) => this.#serve(socket, fault))
  }

  static async start(fault: Fault = {}): Promise<FakePeer> {
    const peer = new FakePeer(fault)
    peer.#server.listen(0, '127.0.0.1')
    await once(peer.#server, 'listening')
    const { address, port } = peer.#server.address() as AddressInfo
    peer.address = String(SockAddr.ip(address, port))
    return peer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(socket: Socket, fault: Fault): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy()) // the client dropped us: what the tests are for
    let [command, payload, nth, nthHeaders] = ['', Buffer.alloc(0), 0, 0]
    const framer = new Framer(MAGIC.regtest, 'checksum', {
      onMessageStart(name) {
        command = name
        payload = Buffer.alloc(0)
      },
      onPayload(part) {
        payload = Buffer.concat([payload, part])
      },
      onMessageEnd: () => {
        if (command === 'version') {
          if (fault.onVersion) return fault.onVersion(socket)
          socket.write(encodeMessage(MAGIC.regtest, 'version', encodeVersion('/fake:1/', BLOCKS.length)))
          socket.write(encodeMessage(MAGIC.regtest, 'verack'))
          socket.write(encodeMessage(MAGIC.regtest, 'ping', Buffer.alloc(8, 7)))
        } else if (command === 'getheaders') {
          if (fault.onHeaders) return fault.onHeaders(socket, nthHeaders++)
          socket.write(
            encodeMessage(
              MAGIC.regtest,
              'headers',
              encodeHeaders(BLOCKS.map((block) => block.subarray(0, 80))),
            ),
          )
        } else if (command === 'getdata') {
          for (const hash of decodeInventory(payload)) {
            const message = MESSAGES.get(displayHash(hash))!
            if (fault.onBlock) fault.onBlock(socket, message, nth++)
            else socket.write(message)
          }
        }
      },
    })
    socket.on('data', (chunk) => framer.push(chunk))
  }
}
