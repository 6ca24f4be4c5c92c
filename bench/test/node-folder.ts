import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { meetsTarget } from '../src/blocks/block'
import { ByteWriter } from '../src/wire/bytes'
import { sha256d } from '../src/wire/hash'
import { MAGIC } from '../src/wire/network'

/** A directory of its own, as a node or a person fills it. */
export class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'blocks-'))

  put(name: string, ...parts: Uint8Array[]): string {
    const path = join(this.path, name)
    writeFileSync(path, Buffer.concat(parts))
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true })
  }
}

/** A block as it stands in a `blk*.dat`. */
export function frame(block: Uint8Array, magic: number = MAGIC.mainnet): Buffer {
  return Buffer.concat([new ByteWriter().uint32(magic).uint32(block.length).take(), block])
}

/** What the node writes in place of `data`. @param offset of `data` in its file */
export function obfuscate(data: Uint8Array, key: Uint8Array, offset = 0): Buffer {
  return Buffer.from(data).map((byte, at) => byte ^ key[(offset + at) % 8]!) as Buffer
}

/** A small regtest block; `mark` makes it another one. */
export function smallBlock(previous: Uint8Array, mark: number): Buffer {
  const coinbase = new ByteWriter()
    .uint32(1)
    .count(1)
    .bytes(Buffer.alloc(32))
    .uint32(0xffffffff)
    .count(4)
    .uint32(mark)
    .uint32(0xffffffff)
    .count(1)
    .uint64(50n)
    .count(1)
    .uint8(0x51)
    .uint32(0)
    .take()
  const header = new ByteWriter()
    .uint32(4)
    .bytes(previous)
    .bytes(sha256d(coinbase))
    .uint32(1_700_000_000 + mark)
    .uint32(0x207fffff)
    .uint32(0)
    .take()
  for (let nonce = 0; !meetsTarget(header); ) header.writeUInt32LE(++nonce, 76)
  return Buffer.concat([header, Buffer.of(1), coinbase])
}

export const hashOf = (block: Uint8Array) => sha256d(block.subarray(0, 80))

/** `length` blocks, each on the one before. */
export function smallChain(length: number, previous: Uint8Array = Buffer.alloc(32), mark = 0): Buffer[] {
  const blocks: Buffer[] = []
  for (let last = previous; blocks.length < length; last = hashOf(blocks.at(-1)!)) {
    blocks.push(smallBlock(last, mark + blocks.length))
  }
  return blocks
}
