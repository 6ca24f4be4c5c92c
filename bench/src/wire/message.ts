import { randomBytes } from 'node:crypto'
import { ByteReader, ByteWriter } from './bytes'
import { sha256d } from './hash'

/** Bytes before each payload: magic, command, length, checksum. */
export const HEADER_SIZE = 24
/** Most bytes of a payload (`MAX_PROTOCOL_MESSAGE_LENGTH`, net.h). */
export const MAX_PAYLOAD = 4_000_000
/** Most headers in one answer (`MAX_HEADERS_RESULTS`, net_processing.h). */
export const MAX_HEADERS = 2000
/** Bytes of a block header. */
export const BLOCK_HEADER_SIZE = 80

const PROTOCOL_VERSION = 70016
/** `MSG_WITNESS_BLOCK`: a block with its witnesses (BIP 144). */
const WITNESS_BLOCK = 0x40000002

/** What the other side says about itself (`version`). */
export interface Version {
  readonly protocol: number
  readonly userAgent: string
  /** Height of its chain. */
  readonly startHeight: number
}

/** The first four bytes of the double SHA-256, as little-endian uint32. */
export function checksum(payload: Uint8Array): number {
  return sha256d(payload).readUInt32LE(0)
}

/**
 * A message's header in version 1 transport, 24 bytes. Source: `CMessageHeader`, protocol.h.
 *
 * @param command at most 12 ASCII characters
 */
export function encodeHeader(magic: number, command: string, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_SIZE)
  header.writeUInt32LE(magic, 0)
  header.write(command, 4, 12, 'latin1')
  header.writeUInt32LE(payload.length, 16)
  header.writeUInt32LE(checksum(payload), 20)
  return header
}

/** A whole message. */
export function encodeMessage(magic: number, command: string, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([encodeHeader(magic, command, payload), payload])
}

/** Payload of `version`, of a client that serves nothing. Source: `PushNodeVersion`, net_processing.cpp. */
export function encodeVersion(userAgent: string, startHeight: number): Buffer {
  const nowhere = Buffer.alloc(26) // services, address, port
  return new ByteWriter()
    .uint32(PROTOCOL_VERSION)
    .uint64(0n)
    .uint64(BigInt(Math.floor(Date.now() / 1000)))
    .bytes(nowhere)
    .bytes(nowhere)
    .bytes(randomBytes(8))
    .count(userAgent.length)
    .bytes(Buffer.from(userAgent, 'latin1'))
    .uint32(startHeight)
    .uint8(0)
    .take()
}

/** @throws RangeError for a truncated payload */
export function decodeVersion(payload: Uint8Array): Version {
  const reader = new ByteReader(payload)
  const protocol = reader.uint32()
  reader.bytes(8 + 8 + 26 + 26 + 8)
  const userAgent = Buffer.from(reader.bytes(reader.count())).toString('latin1')
  return { protocol, userAgent, startHeight: reader.uint32() }
}

/**
 * Payload of `getheaders`: up to 2 000 headers after the first hash of the locator that the peer knows, from
 * the begin of its chain when it knows none.
 */
export function encodeGetHeaders(locator: readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter().uint32(PROTOCOL_VERSION).count(locator.length)
  for (const hash of locator) writer.bytes(hash)
  return writer.bytes(Buffer.alloc(32)).take()
}

/** Payload of `headers`, from headers of 80 bytes. */
export function encodeHeaders(headers: readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter().count(headers.length)
  for (const header of headers) writer.bytes(header).uint8(0)
  return writer.take()
}

/**
 * Headers of 80 bytes each, views into the payload.
 *
 * @throws RangeError for a truncated payload or more than 2 000
 */
export function decodeHeaders(payload: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(payload)
  const count = reader.count()
  if (count > MAX_HEADERS)
    throw new RangeError(`${count} headers in one message, at most ${MAX_HEADERS} are allowed`)
  return Array.from({ length: count }, () => {
    const header = reader.bytes(BLOCK_HEADER_SIZE)
    reader.count() // number of transactions, always 0 here
    return header
  })
}

/** Payload of `getdata` for whole blocks, witnesses included. */
export function encodeGetBlocks(hashes: readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter().count(hashes.length)
  for (const hash of hashes) writer.uint32(WITNESS_BLOCK).bytes(hash)
  return writer.take()
}

/**
 * The first hash of `notfound`, undefined when it names none.
 *
 * @throws RangeError for a truncated payload
 */
export function decodeFirstHash(payload: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(payload)
  if (reader.count() === 0) return undefined
  reader.uint32()
  return reader.bytes(32)
}

/**
 * The hashes of `getdata`.
 *
 * @throws RangeError for a truncated payload
 */
export function decodeInventory(payload: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(payload)
  return Array.from({ length: Math.min(reader.count(), payload.length) }, () => {
    reader.uint32()
    return reader.bytes(32)
  })
}
