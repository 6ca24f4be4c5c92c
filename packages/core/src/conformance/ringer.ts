import { parentPort, workerData } from 'node:worker_threads'
import { type SharedInterrupt, ThreadInterrupt } from '../interrupt'

/** Word 0 counts the calls that are about to block, word 1 says when to end. */
interface Ringing {
  readonly interrupt: SharedInterrupt
  readonly about: Int32Array
}

// A worker beside a thread that blocks: interrupts each call once it has begun, or is just about to.
const { interrupt, about } = workerData as Ringing
const bell = new ThreadInterrupt(interrupt)
parentPort!.postMessage('ready')
for (let calls = 0; ; ) {
  Atomics.wait(about, 0, calls)
  calls = Atomics.load(about, 0)
  if (Atomics.load(about, 1) === 1) break
  bell.interrupt()
}
