import { Fifo } from '../fifo'

/** Something pending that can be told whether to keep the process alive, where there is such a thing (Node). */
export interface Pending {
  ref?(): unknown
  unref?(): unknown
}

interface Port {
  onmessage: (() => void) | null
  postMessage(message: unknown): void
}

interface Host {
  setImmediate?: (run: () => void) => Pending
  MessageChannel?: new () => { port1: Port; port2: Port }
  setTimeout: (run: () => void, ms: number) => Pending | number
}

const host = globalThis as unknown as Host

/** Runs in a later turn of the event loop, after all microtasks: the counterpart of Node's `setImmediate` everywhere. */
export const nextTurn: (run: () => void) => Pending = host.setImmediate?.bind(globalThis) ?? throughChannel()

/** As `setTimeout`, of the machine's clock. */
export function later(run: () => void, ms: number): Pending {
  return host.setTimeout(run, ms) as Pending
}

/** Resolves in a later turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void nextTurn(resolve))
}

/** Blocks the thread. */
export function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** An exception of a handler, as one that nobody caught. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** A browser's timers wait for milliseconds when nested; a message does not. */
function throughChannel(): (run: () => void) => Pending {
  let port: Port | undefined
  const waiting = new Fifo<() => void>()
  return (run) => {
    if (!host.MessageChannel) return later(run, 0)
    if (!port) {
      const { port1, port2 } = new host.MessageChannel()
      port1.onmessage = () => waiting.take()?.()
      port = port2
    }
    waiting.add(run)
    port.postMessage(0)
    return {}
  }
}
