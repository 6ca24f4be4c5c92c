import { createHash, type Hash, hash } from 'node:crypto'
import { HEADER_SIZE, MAX_PAYLOAD } from './message'
import { describeMagic } from './network'

/** What a {@link Framer} finds, in order: one start, any number of payload parts, one end per message. */
export interface MessageSink {
  /** A message begins; `length` is that of its payload, 0 to 4 000 000 bytes. */
  onMessageStart(command: string, length: number): void
  /** The next bytes of its payload, never empty. Borrowed: valid until the callback returns. */
  onPayload(part: Uint8Array): void
  /** It is complete and, where that was asked for, its checksum is right. */
  onMessageEnd(): void
}

/** Which payloads are hashed and compared with the checksum in their header. */
export type Verify =
  /** All. */
  | 'checksum'
  /** All but those of `block`: their lengths and header hashes are still checked by the peer. */
  | 'none'

/** Why a stream is not one of messages. The stream is of no use afterwards. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
  readonly code: 'WRONG_MAGIC' | 'OVERSIZED' | 'BAD_COMMAND' | 'BAD_CHECKSUM'

  constructor(code: FramingError['code'], message: string) {
    super(message)
    this.code = code
  }
}

const NO_BYTES = new Uint8Array(0)

/**
 * Cuts a byte stream into P2P messages (version 1 transport) without assembling them: payloads go on as views
 * of the chunks they came in, so a chunk in the middle of a block costs one call and no allocation.
 */
export class Framer {
  readonly #magic: number
  readonly #verify: Verify
  readonly #sink: MessageSink
  readonly #header = Buffer.alloc(HEADER_SIZE)
  #headerFilled = 0
  /** Payload bytes still to come, while a message is open. */
  #left = 0
  #command = ''
  #checksum = 0
  #hash: Hash | undefined

  /** @param magic of the network, as little-endian uint32 */
  constructor(magic: number, verify: Verify, sink: MessageSink) {
    this.#magic = magic
    this.#verify = verify
    this.#sink = sink
  }

  /** Whether the stream stands between two messages: an end of stream elsewhere cuts one short. */
  get between(): boolean {
    return this.#left === 0 && this.#headerFilled === 0
  }

  /**
   * Takes the next bytes of the stream; calls the sink before it returns.
   *
   * @throws FramingError `WRONG_MAGIC`, `OVERSIZED` (over 4 000 000 bytes), `BAD_COMMAND`, `BAD_CHECKSUM`
   */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left === 0) {
        at = this.#fillHeader(chunk, at)
        continue
      }
      const take = Math.min(this.#left, chunk.length - at)
      const part = take === chunk.length ? chunk : chunk.subarray(at, at + take)
      at += take
      this.#left -= take
      this.#hash?.update(part)
      this.#sink.onPayload(part)
      if (this.#left === 0) this.#end()
    }
  }

  #fillHeader(chunk: Uint8Array, at: number): number {
    const take = Math.min(HEADER_SIZE - this.#headerFilled, chunk.length - at)
    this.#header.set(chunk.subarray(at, at + take), this.#headerFilled)
    this.#headerFilled += take
    // Checked as soon as they are there: a wrong network is known after four bytes.
    if (this.#headerFilled >= 4) this.#checkMagic()
    if (this.#headerFilled === HEADER_SIZE) this.#begin()
    return at + take
  }

  #checkMagic(): void {
    const magic = this.#header.readUInt32LE(0)
    if (magic === this.#magic) return
    const text = `wrong network magic ${describeMagic(magic)}, expected ${describeMagic(this.#magic)}`
    throw new FramingError('WRONG_MAGIC', text)
  }

  #begin(): void {
    const length = this.#header.readUInt32LE(16)
    const name = this.#header.toString('latin1', 4, 16)
    const command = /^([!-~]+)\0*$/.exec(name)?.[1]
    if (command === undefined) {
      throw new FramingError('BAD_COMMAND', `message with the malformed command ${JSON.stringify(name)}`)
    }
    if (length > MAX_PAYLOAD) {
      throw new FramingError(
        'OVERSIZED',
        `${command} message of ${length} bytes, at most ${MAX_PAYLOAD} are allowed`,
      )
    }
    this.#headerFilled = 0
    this.#left = length
    this.#command = command
    this.#checksum = this.#header.readUInt32LE(20)
    const hashed = this.#verify === 'checksum' || command !== 'block'
    this.#hash = hashed && length > 0 ? createHash('sha256') : undefined
    this.#sink.onMessageStart(command, length)
    if (length === 0) {
      this.#compare(hash('sha256', NO_BYTES, 'buffer'))
      this.#sink.onMessageEnd()
    }
  }

  #end(): void {
    if (this.#hash) this.#compare(this.#hash.digest())
    this.#hash = undefined
    this.#sink.onMessageEnd()
  }

  /** @param once the payload's SHA-256 */
  #compare(once: Uint8Array): void {
    const found = hash('sha256', once, 'buffer').readUInt32LE(0)
    if (found === this.#checksum) return
    const [is, says] = [found, this.#checksum].map((value) => value.toString(16).padStart(8, '0'))
    throw new FramingError(
      'BAD_CHECKSUM',
      `bad checksum of a ${this.#command} message: ${is}, its header says ${says}`,
    )
  }
}
