import { SendQueueFull, type Transport } from '../rows/transport'
import { Framer, FramingError, type MessageSink } from '../wire/framing'
import { displayHash, sha256d } from '../wire/hash'
import {
  BLOCK_HEADER_SIZE,
  decodeFirstHash,
  decodeHeaders,
  decodeVersion,
  encodeGetBlocks,
  encodeGetHeaders,
  encodeMessage,
  encodeVersion,
  HEADER_SIZE,
} from '../wire/message'
import { Allowance, ProtocolError } from './allowance'
import { keptOf } from './control-message'
import type { PeerOptions, PeerOwner, Request } from './peer-owner'

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
  /** Height of its chain as its version message says; undefined before. */
  height: number | undefined

  readonly #transport: Transport
  readonly #options: PeerOptions
  readonly #owner: PeerOwner
  readonly #connection: unknown
  readonly #framer: Framer
  #stream: ByteStream
  #stall: NodeJS.Timeout | undefined
  /** How often what is owed has changed, and bytes that have come: what a stall is judged by. */
  #answers = 0
  #bytes = 0
  #waitingForHeaders = false
  readonly #allowance = new Allowance()

  // The message that is coming in; its command is empty while its header is.
  #command = ''
  #length = 0
  /** Payload so far: of a control message what is needed, of a block its header. */
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

  get isDropped(): boolean {
    return this.state === 'dropped'
  }

  /** Asks for up to 2 000 headers after `hash`. */
  requestHeaders(hash: Uint8Array): void {
    this.#waitingForHeaders = true
    this.#armStall()
    this.#guard(() => this.#send('getheaders', encodeGetHeaders([hash])))
  }

  requestBlocks(requests: readonly Request[]): void {
    if (this.inFlight.length === 0) this.#armStall()
    for (const request of requests) this.inFlight.push(request)
    this.#guard(() => this.#send('getdata', encodeGetBlocks(requests.map(({ hash }) => hash))))
  }

  /** Drops the peer for what it sent. */
  refuse(reason: string): void {
    this.#drop(reason)
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
        for (let next = this.inFlight[0]; next && counted >= next.size!; next = this.inFlight[0]) {
          counted -= next.size!
          this.#complete(next, next.size! - HEADER_SIZE)
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
    if (this.height === undefined && command !== 'version') {
      throw new ProtocolError(`sent ${command} before its version`)
    }
    if (command === 'block') {
      if (length <= BLOCK_HEADER_SIZE) throw new ProtocolError(`sent a block of ${length} bytes`)
      this.#gathered = this.#blockHeader
    } else {
      if (!this.#isAwaited(command)) this.#allowance.spend(command, HEADER_SIZE + length)
      this.#gathered = Buffer.allocUnsafe(keptOf(command, length))
    }
    if (this.#owesNothing) this.#armStall()
  }

  onPayload(part: Uint8Array): void {
    const room = this.#gathered.length - this.#filled
    if (room === 0) return
    const take = Math.min(room, part.length)
    this.#gathered.set(take === part.length ? part : part.subarray(0, take), this.#filled)
    this.#filled += take
    if (this.#command === 'block' && take === room)
      this.#request = this.#findRequest(sha256d(this.#blockHeader))
  }

  onMessageEnd(): void {
    if (this.#owesNothing) this.#disarmStall()
    const command = this.#command
    this.#command = ''
    if (command === 'block') {
      const request = this.#request!
      this.#request = undefined
      if (request.size !== undefined && request.size !== this.#length + HEADER_SIZE) {
        throw new ProtocolError(
          `sent block ${displayHash(request.hash)} with ${this.#length} bytes, not ${request.size - HEADER_SIZE}`,
        )
      }
      this.#complete(request, this.#length)
      return
    }
    try {
      this.#onControl(command, this.#gathered)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new ProtocolError(`sent a malformed ${command} message: ${error.message}`)
    }
  }

  #onControl(command: string, payload: Buffer): void {
    switch (command) {
      case 'version':
        if (this.height !== undefined) throw new ProtocolError('sent a second version')
        this.height = decodeVersion(payload).startHeight
        this.#send('verack')
        break
      case 'verack':
        if (this.state !== 'handshake') throw new ProtocolError('sent a second verack')
        this.state = 'ready'
        this.#onAnswer()
        this.#owner.onReady(this)
        break
      case 'ping':
        // Peers before BIP 31 send no nonce and expect no answer.
        if (payload.length === 8) this.#send('pong', payload)
        break
      case 'headers': {
        if (!this.#waitingForHeaders) break // an announcement
        const headers = decodeHeaders(payload)
        this.#waitingForHeaders = false
        this.#onAnswer()
        this.#owner.onHeaders(this, headers)
        break
      }
      case 'notfound': {
        const hash = decodeFirstHash(payload)
        throw new ProtocolError(hash ? `does not have block ${displayHash(hash)}` : 'sent an empty notfound')
      }
    }
  }

  /** Whether the peer is asked for nothing: it may be silent for as long as it likes. */
  get #owesNothing(): boolean {
    return this.state === 'ready' && !this.#waitingForHeaders && this.inFlight.length === 0
  }

  #isAwaited(command: string): boolean {
    if (this.state === 'handshake') return command === 'version' || command === 'verack'
    return command === 'headers' && this.#waitingForHeaders
  }

  /** Something that was asked for is here: what is owed next has the whole time. */
  #onAnswer(): void {
    this.#allowance.renew()
    if (this.#owesNothing) this.#disarmStall()
    else this.#armStall()
  }

  #onOpen(): void {
    this.state = 'handshake'
    this.#guard(() => this.#send('version', encodeVersion('/sockman-bench:0.2.0/', 0)))
  }

  #onData(chunk: Uint8Array): void {
    if (this.state === 'dropped') return
    this.#bytes += chunk.length
    this.#guard(() => this.#stream.push(chunk))
    if (this.isDropped) return
    // A message's header, too, can come without end.
    if (!this.#stall && !this.#framer.between) this.#armStall()
    this.#owner.onChunk(this, chunk.length)
  }

  /** Drops the peer for what it does wrong meanwhile. */
  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      if (
        !(error instanceof FramingError || error instanceof ProtocolError || error instanceof SendQueueFull)
      )
        throw error
      this.#drop(error.message)
    }
  }

  /** A peer answers in order, so it is nearly always the first. */
  #findRequest(hash: Buffer): Request {
    const request = this.inFlight.find((each) => each.hash.equals(hash))
    if (!request) throw new ProtocolError(`sent block ${displayHash(hash)}, which was not asked for`)
    return request
  }

  #complete(request: Request, length: number): void {
    this.inFlight.splice(this.inFlight.indexOf(request), 1)
    this.#onAnswer()
    this.#owner.onBlock(this, request, length)
  }

  #send(command: string, payload?: Uint8Array): void {
    this.#transport.send(this.#connection, encodeMessage(this.#options.magic, command, payload))
  }

  #armStall(): void {
    const { stallTimeout } = this.#options
    this.#answers++
    if (this.#stall) {
      this.#stall.refresh()
      return
    }
    this.#stall = setTimeout(() => this.#judgeStall(), stallTimeout)
  }

  /** The time is over. Where this process is late itself, what has come in time is still to be read, maybe in several turns. */
  #judgeStall(): void {
    const [answers, bytes] = [this.#answers, this.#bytes]
    setImmediate(() => {
      if (!this.#stall || this.#answers !== answers) return
      if (this.#bytes !== bytes) return this.#judgeStall()
      const time = `${this.#options.stallTimeout / 1000} s (--stall-timeout)`
      this.#drop(`stalled: no ${this.#owed()} within ${time}${this.#where()}`)
    })
  }

  #owed(): string {
    if (this.state === 'connecting') return 'connection'
    if (this.state === 'handshake') return 'complete handshake'
    if (this.#waitingForHeaders) return 'headers'
    return this.inFlight.length > 0 ? 'complete block' : 'complete message'
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
    return this.#framer.between ? '' : ` in the middle of a ${this.#command || 'message header'}`
  }

  #drop(reason: string): void {
    if (this.state === 'dropped') return
    this.close()
    this.#owner.onDropped(this, reason)
  }
}
