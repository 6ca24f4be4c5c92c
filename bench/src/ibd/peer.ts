import type { SockAddr } from '@sockman/core'
import type { Transport } from '../rows/transport'
import { Framer, FramingError, type MessageSink, type Verify } from '../wire/framing'
import { displayHash, sha256d } from '../wire/hash'
import {
  BLOCK_HEADER_SIZE,
  decodeHeaders,
  decodeInventory,
  decodeVersion,
  encodeGetBlocks,
  encodeGetHeaders,
  encodeMessage,
  encodeVersion,
} from '../wire/message'

/** A block asked for. */
export interface Request {
  /** Position in the whole download, laps included. */
  readonly index: number
  readonly hash: Buffer
  /** Length of its `block` message, header included; known only where the server is ours. */
  readonly size: number | undefined
  /** When `getdata` left, ms of `performance.now()`. */
  sentAt: number
}

/** Whom a peer tells. */
export interface PeerOwner {
  onReady(peer: Peer): void
  onHeaders(peer: Peer, headers: Uint8Array[]): void
  /** A requested block is complete and verified. @param length of its payload, bytes */
  onBlock(peer: Peer, request: Request, length: number): void
  /** A chunk has been worked off: the time to ask for more. @param bytes of the chunk */
  onChunk(peer: Peer, bytes: number): void
  /** The end; `peer.inFlight` is what it still owed. */
  onDropped(peer: Peer, reason: string): void
}

export interface PeerOptions {
  /** For messages about it. */
  readonly name: string
  readonly address: SockAddr
  readonly magic: number
  readonly verify: Verify
  /** ms without progress on what is outstanding, after which the peer is dropped. */
  readonly stallTimeout: number
}

/** What a peer did wrong. */
class ProtocolError extends Error {}

/** Bytes to messages, or to mere counts. */
interface ByteStream {
  push(chunk: Uint8Array): void
}

/**
 * The protocol on one connection, from handshake to end: version, verack, headers, blocks. Owned by the
 * download.
 */
export class Peer implements MessageSink {
  readonly name: string
  readonly inFlight: Request[] = []
  state: 'connecting' | 'handshake' | 'ready' | 'dropped' = 'connecting'

  readonly #transport: Transport
  readonly #options: PeerOptions
  readonly #owner: PeerOwner
  readonly #connection: unknown
  readonly #framer: Framer
  #stream: ByteStream
  #stall: NodeJS.Timeout | undefined
  #waitingForHeaders = false

  // The message that is coming in.
  #command = ''
  #length = 0
  /** Payload so far: of a control message the whole, of a block its header. */
  #gathered: Buffer = Buffer.alloc(0)
  #filled = 0
  readonly #blockHeader = Buffer.alloc(BLOCK_HEADER_SIZE)
  #request: Request | undefined

  constructor(transport: Transport, options: PeerOptions, owner: PeerOwner) {
    this.name = options.name
    this.#transport = transport
    this.#options = options
    this.#owner = owner
    this.#framer = new Framer(options.magic, options.verify, this)
    this.#stream = this.#framer
    this.#connection = transport.connect(options.address, {
      onOpen: () => this.#onOpen(),
      onData: (chunk) => this.#onData(chunk),
      onClose: (reason) => this.#drop(this.#describeEnd(reason)),
    })
    this.#armStall()
  }

  /** Asks for up to 2 000 headers after `hash`. */
  requestHeaders(hash: Uint8Array): void {
    this.#waitingForHeaders = true
    this.#send('getheaders', encodeGetHeaders([hash]))
    this.#armStall()
  }

  requestBlocks(requests: readonly Request[]): void {
    for (const request of requests) this.inFlight.push(request)
    this.#send('getdata', encodeGetBlocks(requests.map(({ hash }) => hash)))
    if (!this.#stall) this.#armStall()
  }

  /**
   * From now on bytes are only counted: blocks end where their known sizes say. For `net:raw`.
   * Call it between messages, before the first `requestBlocks`.
   */
  countOnly(): void {
    let counted = 0
    this.#stream = {
      push: (chunk) => {
        counted += chunk.length
        this.#stall?.refresh()
        for (let next = this.inFlight[0]; next && counted >= next.size!; next = this.inFlight[0]) {
          counted -= next.size!
          this.#complete(next, next.size! - 24)
        }
      },
    }
  }

  close(): void {
    if (this.state === 'dropped') return
    this.state = 'dropped'
    this.#disarmStall()
    this.#transport.close(this.#connection)
  }

  onMessageStart(command: string, length: number): void {
    this.#command = command
    this.#length = length
    this.#filled = 0
    if (command === 'block') {
      if (length <= BLOCK_HEADER_SIZE) throw new ProtocolError(`sent a block of ${length} bytes`)
      this.#gathered = this.#blockHeader
    } else {
      this.#gathered = CONTROL.has(command) ? Buffer.allocUnsafe(length) : NOTHING
    }
  }

  onPayload(part: Uint8Array): void {
    if (this.#command === 'block') this.#stall?.refresh()
    const room = this.#gathered.length - this.#filled
    if (room === 0) return
    const take = Math.min(room, part.length)
    this.#gathered.set(take === part.length ? part : part.subarray(0, take), this.#filled)
    this.#filled += take
    if (this.#command === 'block' && take === room)
      this.#request = this.#findRequest(sha256d(this.#blockHeader))
  }

  onMessageEnd(): void {
    switch (this.#command) {
      case 'block': {
        const request = this.#request!
        this.#request = undefined
        if (request.size !== undefined && request.size !== this.#length + 24) {
          throw new ProtocolError(
            `sent block ${displayHash(request.hash)} with ${this.#length} bytes, not ${request.size - 24}`,
          )
        }
        this.#complete(request, this.#length)
        break
      }
      case 'version':
        decodeVersion(this.#gathered)
        this.#send('verack')
        break
      case 'verack':
        if (this.state !== 'handshake') throw new ProtocolError('sent a second verack')
        this.state = 'ready'
        this.#disarmStall()
        this.#owner.onReady(this)
        break
      case 'ping':
        this.#send('pong', this.#gathered)
        break
      case 'headers':
        if (!this.#waitingForHeaders) break // an announcement
        this.#waitingForHeaders = false
        this.#disarmStall()
        this.#owner.onHeaders(this, decodeHeaders(this.#gathered))
        break
      case 'notfound': {
        const [first] = decodeInventory(this.#gathered)
        throw new ProtocolError(`does not have block ${first ? displayHash(first) : ''}`)
      }
    }
  }

  #onOpen(): void {
    this.state = 'handshake'
    this.#send('version', encodeVersion('/sockman-bench:0.1.0/', 0))
  }

  #onData(chunk: Uint8Array): void {
    if (this.state === 'dropped') return
    try {
      this.#stream.push(chunk)
    } catch (error) {
      if (!(error instanceof FramingError || error instanceof ProtocolError || error instanceof RangeError))
        throw error
      this.#drop(error.message)
      return
    }
    this.#owner.onChunk(this, chunk.length)
  }

  /** A peer answers in order, so it is nearly always the first. */
  #findRequest(hash: Buffer): Request {
    const request = this.inFlight.find((each) => each.hash.equals(hash))
    if (!request) throw new ProtocolError(`sent block ${displayHash(hash)}, which was not asked for`)
    return request
  }

  #complete(request: Request, length: number): void {
    this.inFlight.splice(this.inFlight.indexOf(request), 1)
    if (this.inFlight.length === 0) this.#disarmStall()
    this.#owner.onBlock(this, request, length)
  }

  #send(command: string, payload?: Uint8Array): void {
    this.#transport.send(this.#connection, encodeMessage(this.#options.magic, command, payload))
  }

  #armStall(): void {
    const { stallTimeout } = this.#options
    this.#disarmStall()
    this.#stall = setTimeout(
      () => this.#drop(`stalled: no progress for ${stallTimeout / 1000} s${this.#where()}`),
      stallTimeout,
    )
  }

  #disarmStall(): void {
    clearTimeout(this.#stall)
    this.#stall = undefined
  }

  #describeEnd(reason: string): string {
    return `${reason}${this.#where()}`
  }

  #where(): string {
    if (this.state === 'connecting') return ''
    if (this.state === 'handshake') return ' during the handshake'
    if (this.#request) return ' in the middle of a block'
    return this.#framer.between ? '' : ` in the middle of a ${this.#command} message`
  }

  #drop(reason: string): void {
    if (this.state === 'dropped') return
    this.close()
    this.#owner.onDropped(this, reason)
  }
}

/** Messages whose payload is needed as a whole. */
const CONTROL: ReadonlySet<string> = new Set(['version', 'ping', 'headers', 'notfound'])
const NOTHING = Buffer.alloc(0)
