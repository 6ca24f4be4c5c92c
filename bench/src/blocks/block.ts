import { ByteReader } from '../wire/bytes'
import { displayHash, sha256d } from '../wire/hash'
import { BLOCK_HEADER_SIZE } from '../wire/message'

/** The compact form of a difficulty as a number (`arith_uint256::SetCompact`). */
export function targetOf(bits: number): bigint {
  const exponent = BigInt(bits >>> 24)
  const mantissa = BigInt(bits & 0x7fffff)
  return exponent <= 3n ? mantissa >> (8n * (3n - exponent)) : mantissa << (8n * (exponent - 3n))
}

/** Whether a header of 80 bytes meets the target in its own `bits`. */
export function meetsTarget(header: Uint8Array): boolean {
  const bits = new ByteReader(header, 72).uint32()
  return BigInt(`0x${displayHash(sha256d(header))}`) <= targetOf(bits)
}

/** Hashes that a header stands for, on average (`GetBlockProof`, chain.cpp). */
export function workOf(header: Uint8Array): bigint {
  return 2n ** 256n / (targetOf(new ByteReader(header, 72).uint32()) + 1n)
}

/**
 * Length of the serialized block at the begin of `data`, found by walking its transactions (BIP 144
 * serialization).
 *
 * @throws RangeError when the data ends inside the block
 */
export function blockLength(data: Uint8Array): number {
  const reader = new ByteReader(data)
  reader.skip(BLOCK_HEADER_SIZE)
  for (let left = reader.count(); left > 0; left--) skipTransaction(reader)
  return reader.offset
}

function skipTransaction(reader: ByteReader): void {
  reader.skip(4)
  let inputs = reader.count()
  const segwit = inputs === 0
  if (segwit) {
    reader.skip(1)
    inputs = reader.count()
  }
  for (let left = inputs; left > 0; left--) {
    reader.skip(36)
    reader.skip(reader.count())
    reader.skip(4)
  }
  for (let left = reader.count(); left > 0; left--) {
    reader.skip(8)
    reader.skip(reader.count())
  }
  if (segwit) {
    for (let stacks = inputs; stacks > 0; stacks--) {
      for (let items = reader.count(); items > 0; items--) reader.skip(reader.count())
    }
  }
  reader.skip(4)
}
