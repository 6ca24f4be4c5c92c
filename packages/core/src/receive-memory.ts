/**
 * Marks the memory that a SockMan receives into. Its views are lent for the length of a callback, and what is lent cannot
 * be lent on: `send` copies a view of marked memory, whatever `borrow` says, also one of another SockMan, of another
 * backend or of another copy of this package.
 */
const mark: unique symbol = Symbol.for('sockman.receiveMemory') as never

type Markable = ArrayBufferLike & { [mark]?: true }

/** Marks a buffer as receive memory, and answers it. */
export function markReceiveMemory<B extends ArrayBufferLike>(buffer: B): B {
  Object.defineProperty(buffer, mark, { value: true })
  return buffer
}

export function isReceiveMemory(buffer: ArrayBufferLike): boolean {
  return (buffer as Markable)[mark] === true
}
