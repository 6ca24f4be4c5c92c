import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import bzip from 'seek-bzip'
import { BenchError } from '../errors'
import type { ObfuscationKey } from './obfuscation'

const LOOK = 65_536

/**
 * A file of blocks, read piece by piece, for a node's files are large and many: decompressed where its name ends in `.bz2`, its
 * obfuscation taken away. Opened by the first read; owned by who reads, who closes it and may read on afterwards.
 */
export class BlockFile {
  readonly path: string
  /** Of its folder; undefined: the bytes are as they are. */
  readonly key: ObfuscationKey | undefined
  #descriptor: number | undefined
  /** All of a compressed file. */
  #decompressed: Buffer | undefined
  #size = 0

  constructor(path: string, key: ObfuscationKey | undefined) {
    this.path = path
    this.key = key
  }

  /** Bytes, decompressed. @throws BenchError when the file cannot be read */
  get size(): number {
    this.#open()
    return this.#size
  }

  /** As many of `length` bytes from `offset` on as there are. @throws BenchError when they cannot be read */
  read(offset: number, length: number): Buffer {
    const data = this.readStored(offset, length)
    this.key?.remove(data, offset)
    return data
  }

  /** The same with the obfuscation left on. */
  readStored(offset: number, length: number): Buffer {
    this.#open()
    const data = Buffer.alloc(Math.max(0, Math.min(length, this.#size - offset)))
    if (this.#decompressed) {
      this.#decompressed.copy(data, 0, offset)
      return data
    }
    try {
      for (let at = 0; at < data.length; ) {
        const count = readSync(this.#descriptor!, data, at, data.length - at, offset + at)
        if (count === 0) throw new Error(`the file ends at byte ${offset + at}: something cuts it now`)
        at += count
      }
    } catch (error) {
      throw new BenchError(`${this.path}: ${(error as Error).message}`)
    }
    return data
  }

  /**
   * Whether nothing but zeros follows: what a node allocates ahead. The file system makes those zeros, so there is no
   * obfuscation on them; a tool that rewrites a whole file puts its key on them, too.
   */
  isPaddingFrom(offset: number): boolean {
    const isZero = (data: Buffer) => data.every((byte) => byte === 0)
    const holds = (read: (at: number) => Buffer) => {
      for (let at = offset; at < this.size; at += LOOK) if (!isZero(read(at))) return false
      return true
    }
    return holds((at) => this.readStored(at, LOOK)) || (!!this.key && holds((at) => this.read(at, LOOK)))
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#decompressed = undefined
  }

  #open(): void {
    if (this.#descriptor !== undefined || this.#decompressed) return
    try {
      if (extname(this.path) === '.bz2') {
        this.#decompressed = bzip.decode(readFileSync(this.path))
        this.#size = this.#decompressed.length
        return
      }
      this.#descriptor = openSync(this.path, 'r')
      this.#size = fstatSync(this.#descriptor).size
    } catch (error) {
      throw new BenchError(`${this.path}: ${(error as Error).message}`)
    }
  }
}
