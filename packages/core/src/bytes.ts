import { describe, invalidArgument, SockError } from './errors'

/**
 * Bytes as `onData` gives them: a `Buffer` where the platform has that class (Node.js, Deno, Bun), else a `Uint8Array`.
 * Beware of `slice`, which copies of a Uint8Array and not of a Buffer: `new Uint8Array(data)` is a copy of both.
 */
export type Bytes = typeof globalThis extends {
  Buffer: { isBuffer(value: unknown): value is infer B extends Uint8Array }
}
  ? B
  : Uint8Array

/** What `send` takes: text, sent as UTF-8, or bytes in any kind of memory or view of it, also of another realm. */
export type Sendable = string | ArrayBufferView | ArrayBufferLike

type ToBytes = (memory: ArrayBufferLike, offset: number, length: number) => Bytes

const { Buffer } = globalThis as { Buffer?: { from: ToBytes } }

/** For backends: a view of memory, as it is given to owners. */
export const viewOf: ToBytes = Buffer
  ? (memory, offset, length) => Buffer.from(memory, offset, length)
  : (memory, offset, length) => new Uint8Array(memory, offset, length) as Bytes

/** A copy of the bytes, as a view is given to owners. */
export function copyOf(view: Uint8Array): Bytes {
  const { buffer } = new Uint8Array(view)
  return viewOf(buffer, 0, buffer.byteLength)
}

const encoder = new TextEncoder()

/**
 * The bytes of what is to be sent: a Uint8Array itself, of whatever class and realm, else one over the same memory, or over
 * that of the encoded text. Runs no code of the caller's.
 *
 * @throws SockError `ERR_INVALID_ARG_TYPE` for anything else, and for memory that is detached
 */
export function bytesOf(name: string, value: unknown): Uint8Array {
  if (isUint8Array(value)) {
    if (lengthOf(value) === 0) plain(value, name)
    return value
  }
  if (typeof value === 'string') return encoder.encode(value)
  if (ArrayBuffer.isView(value)) return plain(value, name)
  if (isMemory(value)) return attached(name, value, () => new Uint8Array(value))
  throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a string, a view or an ArrayBuffer', value)
}

/** The bytes of a view as a plain Uint8Array. @throws SockError `ERR_INVALID_ARG_TYPE` when its memory is detached */
export function plain(view: ArrayBufferView, name = 'data'): Uint8Array {
  const of = typedArray.name(view) === undefined ? dataView : typedArray
  return attached(name, view, () => {
    // Of one that is detached, or beyond the end of memory that has shrunk, a length of 0 is all that is told.
    if (of === typedArray && of.byteLength(view) === 0) Uint8Array.prototype.values.call(view as Uint8Array)
    return new Uint8Array(of.buffer(view), of.byteOffset(view), of.byteLength(view))
  })
}

/** @throws SockError `ERR_INVALID_ARG_TYPE` for what is no Uint8Array, or whose memory is detached */
export function checkBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (!isUint8Array(value)) throw invalidArgument('ERR_INVALID_ARG_TYPE', name, 'a Uint8Array', value)
  if (lengthOf(value) === 0) plain(value, name)
}

/** Also of another realm: where tests run in a vm context, as in Jest, TextEncoder and Buffer are from outside. */
function isUint8Array(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && typedArray.name(value) === 'Uint8Array'
}

/** The length of a Uint8Array itself, whatever a subclass says. */
export function lengthOf(view: Uint8Array): number {
  return typedArray.byteLength(view)
}

/** The memory of a Uint8Array itself, whatever a subclass says. */
export function memoryOf(view: Uint8Array): ArrayBufferLike {
  return typedArray.buffer(view)
}

/** What `read` gives; it throws where memory is detached. */
function attached(name: string, value: unknown, read: () => Uint8Array): Uint8Array {
  try {
    return read()
  } catch {
    throw new SockError(`${name} must have its memory, this ${describe(value)} is detached`, {
      code: 'ERR_INVALID_ARG_TYPE',
    })
  }
}

/** A getter of a prototype, which answers for the objects of every realm, whatever these have in its place. */
function own<T>(prototype: object, name: PropertyKey): (object: unknown) => T {
  const get = Object.getOwnPropertyDescriptor(prototype, name)!.get!
  return (object) => get.call(object)
}

const getters = (prototype: object) => ({
  buffer: own<ArrayBufferLike>(prototype, 'buffer'),
  byteOffset: own<number>(prototype, 'byteOffset'),
  byteLength: own<number>(prototype, 'byteLength'),
})
const typedArrays: object = Object.getPrototypeOf(Uint8Array.prototype)
const typedArray = { ...getters(typedArrays), name: own<string | undefined>(typedArrays, Symbol.toStringTag) }
const dataView = getters(DataView.prototype)

/** A browser may have no shared memory. */
const lengths = [ArrayBuffer, globalThis.SharedArrayBuffer]
  .filter((kind) => kind !== undefined)
  .map((kind) => own<number>(kind.prototype, 'byteLength'))

function isMemory(value: unknown): value is ArrayBufferLike {
  return lengths.some((length) => {
    try {
      length(value)
      return true
    } catch {
      return false
    }
  })
}
