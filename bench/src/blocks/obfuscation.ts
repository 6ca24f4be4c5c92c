import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BenchError } from '../errors'

const KEY_FILE = 'xor.dat'
const KEY_SIZE = 8

/**
 * The key that a node has put over the files of its blocks folder (Bitcoin Core 28 and later): the byte at offset `i` of
 * every file is XORed with `key[i % 8]`. Source: `InitBlocksdirXorKey`, node/blockstorage.cpp.
 */
export class ObfuscationKey {
  readonly #key: Uint8Array

  private constructor(key: Uint8Array) {
    this.#key = key
  }

  /**
   * The key of a folder; undefined where the folder has none, and for the key of zeros, which changes nothing.
   *
   * @throws BenchError for a `xor.dat` that is no key
   */
  static of(folder: string): ObfuscationKey | undefined {
    const path = join(folder, KEY_FILE)
    if (!existsSync(path)) return undefined
    let key: Buffer
    try {
      key = readFileSync(path)
    } catch (error) {
      throw new BenchError(`${path}: the key of the block files cannot be read: ${(error as Error).message}`)
    }
    if (key.length !== KEY_SIZE) {
      throw new BenchError(
        `${path}: ${key.length} bytes, a key has ${KEY_SIZE}: copy the file anew from the folder of the node that wrote the blocks`,
      )
    }
    return key.some((byte) => byte !== 0) ? new ObfuscationKey(key) : undefined
  }

  /** Takes the key from `data` in place. @param offset of `data` in its file */
  remove(data: Uint8Array, offset: number): void {
    const key = this.#key
    for (let at = 0; at < data.length; at++) data[at]! ^= key[(offset + at) % KEY_SIZE]!
  }
}
