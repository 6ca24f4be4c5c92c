import { SockAddr } from '../address'

const nothing = (): void => {}

/** Behind a proxy that answers nothing any more. */
function revoked<T extends object>(target: T): T {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** Detached from its memory. */
function detached<T extends ArrayBufferView>(view: T): T {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] })
  return view
}

/** What code of its caller's throws. */
export const thrown = new Error('thrown by code of the caller’s')
const fail = (): never => {
  throw thrown
}

/** Cannot be made a text, nor asked what it is. */
const unspeakable = (): object => ({
  toString: fail,
  valueOf: fail,
  toJSON: fail,
  [Symbol.toPrimitive]: fail,
  get constructor() {
    return fail()
  },
  get [Symbol.toStringTag]() {
    return fail()
  },
})

/** A function whose name is no text. */
const unnamed = (): (() => void) => Object.defineProperty(() => {}, 'name', { get: fail })

/** An object whose class has no text for a name. */
const classless = (): object => Object.defineProperty({}, 'constructor', { value: { name: unspeakable() } })

class Some {}

/** Each fails whatever is asked of it, as far as an object can. */
const TRAPS: readonly (keyof ProxyHandler<object>)[] = [
  'get',
  'has',
  'ownKeys',
  'getPrototypeOf',
  'getOwnPropertyDescriptor',
  'isExtensible',
]
export const hostile = (): object => new Proxy({}, Object.fromEntries(TRAPS.map((trap) => [trap, fail])))

/** By name: what a caller may pass by mistake or malice in any place. `id` is that of a live connection. */
export function oddValues(id: number): Readonly<Record<string, unknown>> {
  return {
    undefined: undefined,
    null: null,
    true: true,
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
    '-1': -1,
    '1.5': 1.5,
    '-0': -0,
    '2^31': 2 ** 31,
    '2^32 and the id': 2 ** 32 + id,
    '2^53': 2 ** 53,
    '0n': 0n,
    '5n': 5n,
    'the id as a BigInt': BigInt(id),
    'the id as a string': String(id),
    'the id as an object': Object(id),
    'the id in a list': [id],
    'what becomes the id': { valueOf: () => id, toString: () => String(id) },
    'an empty string': '',
    'a string': 'x',
    'a number as a string': '1',
    'a string as an object': Object('x'),
    'a boolean as an object': Object(true),
    'a symbol': Symbol('x'),
    'a symbol as an object': Object(Symbol('x')),
    'an empty list': [],
    'an object': {},
    'an object without a prototype': Object.create(null),
    'what has no text': unspeakable(),
    'what is of no class': classless(),
    'a function': nothing,
    'a function without a name': unnamed(),
    'a class': Some,
    'an object of a class': new Some(),
    'a date': new Date(),
    'an invalid date': new Date(Number.NaN),
    'a promise': Promise.resolve(id),
    'a map': new Map(),
    'an error': new Error('x'),
    'a proxy': new Proxy({}, {}),
    'a revoked proxy': revoked({}),
    'a revoked list': revoked([]),
    'a revoked function': revoked(nothing),
    'a proxy of a revoked proxy': new Proxy(revoked({}), {}),
    'a view without its memory': detached(new Uint8Array(8)),
    'a DataView': new DataView(new ArrayBuffer(8)),
    'a DataView without its memory': detached(new DataView(new ArrayBuffer(8))),
    'an ArrayBuffer': new ArrayBuffer(8),
    'shared memory': new SharedArrayBuffer(8),
    'a view of shared memory': new Uint8Array(new SharedArrayBuffer(8)).fill(83),
    'a view of other numbers': new Float64Array(8),
    'a proxy of a view': new Proxy(new Uint8Array(8), {}),
    'what only looks like a view': Object.create(Uint8Array.prototype),
    'what only looks like an address': Object.create(SockAddr.prototype),
    'the address of nobody': SockAddr.unnamed,
    'what only looks like a signal': Object.create(AbortSignal.prototype),
    'a proxy of a signal that is revoked': revoked(new AbortController().signal),
  }
}
