import { createCipheriv } from 'node:crypto'
import { ByteWriter } from '../wire/bytes'
import { sha256d } from '../wire/hash'
import { meetsTarget } from './block'
import type { BlockSet } from './block-set'
import { merkleRoot } from './merkle'

/** In wire order. Source: `kernel/chainparams.cpp`. */
export const REGTEST_GENESIS = Buffer.from(
  '06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f',
  'hex',
)

const BLOCKS = 128
const [SMALLEST, LARGEST] = [1_000_000, 2_200_000]
const REGTEST_BITS = 0x207fffff
const GENESIS_TIME = 1296688602
const SPACING = 600 // seconds

/** A transaction: its serialization, and its two ids (BIP 141). */
interface Transaction {
  readonly raw: Buffer
  readonly txid: Buffer
  readonly wtxid: Buffer
}

/**
 * `synthetic:large`: 128 blocks of 1 to 2.2 MB, about 197 MB, linked to regtest's genesis; the same bytes on
 * every machine. Headers carry proof of work found by trying nonces (regtest's target), the merkle root over
 * the transactions' ids, and increasing times; coinbases carry height (BIP 34) and witness commitment (BIP
 * 141).
 *
 * Every block has its own coinbase and its own run of a pool of 400 large transactions, most of whose bytes
 * are witness, so that the weight stays below 4 000 000. They spend outputs that do not exist: a chain of
 * valid headers, not of valid spends.
 */
export function syntheticLarge(): BlockSet {
  return {
    name: 'synthetic:large',
    network: 'regtest',
    description: `${BLOCKS} synthetic regtest blocks of 1 to 2.2 MB: real proof of work and merkle roots, invented spends`,
    notes: [],
    *blocks() {
      const random = new RandomBytes()
      const pool = Array.from({ length: 400 }, () => transaction(random))
      let previous: Uint8Array = REGTEST_GENESIS
      for (let height = 1; height <= BLOCKS; height++) {
        const size = SMALLEST + (random.uint32() % (LARGEST - SMALLEST))
        const block = assemble(height, previous, pickRun(pool, random.uint32(), size))
        previous = sha256d(block.subarray(0, 80))
        yield block
      }
    },
  }
}

/** Deterministic bytes: the AES-CTR key stream of a fixed key. */
class RandomBytes {
  readonly #stream = createCipheriv('aes-128-ctr', 'sockman:synthetc', Buffer.alloc(16))

  take(length: number): Buffer {
    return this.#stream.update(Buffer.alloc(length))
  }

  uint32(): number {
    return this.take(4).readUInt32LE(0)
  }
}

/** Consecutive transactions of the pool, none twice, up to `size` bytes. */
function pickRun(pool: readonly Transaction[], start: number, size: number): Transaction[] {
  const run: Transaction[] = []
  let bytes = 0
  for (let at = 0; at < pool.length; at++) {
    const next = pool[(start + at) % pool.length]!
    bytes += next.raw.length
    if (bytes > size) break
    run.push(next)
  }
  return run
}

/** One input with a witness of 3 to 9 KB, two outputs. */
function transaction(random: RandomBytes): Transaction {
  const input = new ByteWriter().bytes(random.take(36)).count(0).uint32(0xfffffffd).take()
  const outputs = new ByteWriter().count(2)
  for (let output = 0; output < 2; output++) {
    const script = Buffer.concat([Buffer.from([0x51, 0x20]), random.take(32)]) // OP_1, push 32: pays to taproot
    outputs.uint64(BigInt(random.uint32())).count(script.length).bytes(script)
  }
  const script = random.take(3000 + (random.uint32() % 6000))
  const witness = new ByteWriter().count(3)
  for (const item of [random.take(64), script, random.take(33)]) witness.count(item.length).bytes(item)
  return serialize(input, outputs.take(), witness.take())
}

/** @param outputs with their count in front, @param witness the one input's stack */
function serialize(input: Buffer, outputs: Buffer, witness: Buffer): Transaction {
  const [version, lockTime] = [Buffer.from([2, 0, 0, 0]), Buffer.alloc(4)]
  const body = Buffer.concat([Buffer.from([1]), input, outputs])
  const raw = Buffer.concat([version, Buffer.from([0, 1]), body, witness, lockTime])
  return { raw, txid: sha256d(Buffer.concat([version, body, lockTime])), wtxid: sha256d(raw) }
}

function coinbase(height: number, wtxids: readonly Buffer[]): Transaction {
  // BIP 34: the height as a minimal script number; OP_1 to OP_16 have opcodes of their own.
  const push =
    height <= 16 ? [0x50 + height, 0] : height < 128 ? [1, height] : [2, height & 0xff, height >> 8]
  const script = Buffer.from(push)
  const input = new ByteWriter().bytes(Buffer.alloc(32)).uint32(0xffffffff)
  input.count(script.length).bytes(script).uint32(0xffffffff)

  const reserved = Buffer.alloc(32)
  const commitment = sha256d(Buffer.concat([merkleRoot([Buffer.alloc(32), ...wtxids]), reserved]))
  const commitmentScript = Buffer.concat([Buffer.from('6a24aa21a9ed', 'hex'), commitment])
  const anyone = Buffer.from([0x51]) // OP_TRUE
  const outputs = new ByteWriter().count(2).uint64(50_0000_0000n).count(anyone.length).bytes(anyone)
  outputs.uint64(0n).count(commitmentScript.length).bytes(commitmentScript)
  return serialize(input.take(), outputs.take(), new ByteWriter().count(1).count(32).bytes(reserved).take())
}

function assemble(height: number, previous: Uint8Array, run: readonly Transaction[]): Buffer {
  const first = coinbase(
    height,
    run.map(({ wtxid }) => wtxid),
  )
  const transactions = [first, ...run]
  const header = new ByteWriter()
    .uint32(0x20000000)
    .bytes(previous)
    .bytes(merkleRoot(transactions.map(({ txid }) => txid)))
    .uint32(GENESIS_TIME + height * SPACING)
    .uint32(REGTEST_BITS)
    .uint32(0)
    .take()
  for (let nonce = 0; !meetsTarget(header); ) header.writeUInt32LE(++nonce, 76)
  return new ByteWriter()
    .bytes(header)
    .count(transactions.length)
    .bytes(Buffer.concat(transactions.map(({ raw }) => raw)))
    .take()
}
