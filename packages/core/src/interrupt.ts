import { describe, SockError } from './errors'

/** What {@link ThreadInterrupt.share} gives: `postMessage` it, or pass it as `workerData`. */
export interface SharedInterrupt {
  readonly memory: SharedArrayBuffer
}

/**
 * Makes the descriptor that wakes a blocked thread: an eventfd(2), non-blocking and close-on-exec. It may outlive the
 * environment that opened it by a moment, until a thread that rings it is done.
 */
export interface BellFoundry {
  open(): number
  close(fd: number): void
}

/** The part of `node:fs` that rings a bell: writing to, reading from and closing an eventfd needs no native code. */
interface Files {
  writeSync(fd: number, data: Uint8Array): number
  readSync(fd: number, buffer: Uint8Array): number
  closeSync(fd: number): void
}

/** An eventfd's counter plus one, in either byte order. */
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer)
const USER = 1n << 32n

/**
 * Ends what waits, in this thread and in others: give it to `sendComplete`, `recvUntilTerminator` and their `…Sync`
 * twins as `signal`. Its state is one shared word; a native `…Sync` wait adds an eventfd while it blocks.
 *
 * After `CThreadInterrupt` of Bitcoin Core's `util/threadinterrupt.h`.
 */
export class ThreadInterrupt {
  readonly #memory: SharedArrayBuffer | ArrayBuffer
  /** Times interrupted and reset: odd while interrupted, so that a quick reset hides no interrupt. */
  readonly #turns: Int32Array
  /**
   * The bell's descriptor + 1 (low half) and how many use it right now (high half), in one word: whoever counts itself
   * in has an open descriptor, and who counts out last closes it.
   */
  readonly #bell: BigInt64Array
  #controller: AbortController | undefined
  /** Of `#turns`, when `#controller` was made. */
  #turn = 0
  #listening = false

  constructor(shared?: SharedInterrupt) {
    this.#memory = shared === undefined ? newMemory() : memoryOf(shared)
    this.#turns = new Int32Array(this.#memory, 0, 1)
    this.#bell = new BigInt64Array(this.#memory, 8, 1)
  }

  /** Whether it was interrupted and not reset since, by any thread. */
  get interrupted(): boolean {
    return (this.#notice() & 1) === 1
  }

  /**
   * Aborted once interrupted, here or in another thread; the same one until a reset, a fresh one afterwards. It does
   * not keep the process alive.
   */
  get signal(): AbortSignal {
    const turns = this.#notice()
    if (this.#controller === undefined || (this.#controller.signal.aborted && (turns & 1) === 0)) {
      this.#controller = new AbortController()
      this.#turn = turns
      if ((turns & 1) === 1) this.#controller.abort(interruption())
    }
    if (!this.#controller.signal.aborted) this.#listen()
    return this.#controller.signal
  }

  /** Interrupts, in all threads; again: harmless. */
  interrupt(): void {
    for (;;) {
      const turns = Atomics.load(this.#turns, 0)
      if ((turns & 1) === 1) break
      if (Atomics.compareExchange(this.#turns, 0, turns, turns + 1) !== turns) continue
      Atomics.notify(this.#turns, 0)
      this.#withOpenBell((files, fd) => files.writeSync(fd, ONE))
      break
    }
    this.#notice()
  }

  /** As if never interrupted, in all threads; `signal` is a fresh one. */
  reset(): void {
    for (;;) {
      const turns = this.#notice()
      if ((turns & 1) === 0) return
      if (Atomics.compareExchange(this.#turns, 0, turns, turns + 1) !== turns) continue
      this.#withOpenBell(silence)
      // Interrupted again meanwhile: that ring may be the one just silenced.
      if (this.interrupted) this.#withOpenBell((files, fd) => files.writeSync(fd, ONE))
      return
    }
  }

  /**
   * A handle for another thread, which makes `new ThreadInterrupt(handle)` of it; both are the same interrupt then.
   *
   * @throws SockError `ERR_NOT_SHARED` where there is no SharedArrayBuffer (a page that is not cross-origin isolated)
   */
  share(): SharedInterrupt {
    if (this.#memory instanceof ArrayBuffer) {
      throw new SockError('this runtime has no SharedArrayBuffer, so there is nothing to share', {
        code: 'ERR_NOT_SHARED',
      })
    }
    return { memory: this.#memory }
  }

  /** For a SockHost that has no descriptor to wait for: blocks the thread for `ms`, less when any thread interrupts. */
  sleep(ms: number): void {
    const turns = Atomics.load(this.#turns, 0)
    if ((turns & 1) === 0) Atomics.wait(this.#turns, 0, turns, ms)
  }

  /**
   * For a SockHost that blocks in poll(2) or the like: calls `wait` with a descriptor that turns readable when any
   * thread interrupts; at once when that has happened. A reset silences it.
   *
   * @param foundry asked for one bell unless another thread has one already; who uses it last closes it
   * @returns what `wait` does
   */
  withBell<T>(foundry: BellFoundry, wait: (fd: number) => T): T {
    const fd = this.#openBell(foundry)
    try {
      // The bell is open before `turns` is read, `interrupt` writes `turns` before it looks for a bell: in the one order
      // of atomics one of the two sees the other.
      if (this.interrupted) files().writeSync(fd, ONE)
      return wait(fd)
    } finally {
      this.#leaveBell(foundry)
    }
  }

  #openBell(foundry: BellFoundry): number {
    let made = -1
    for (;;) {
      const bell = Atomics.load(this.#bell, 0)
      if (bell === 0n && made < 0) made = foundry.open()
      const next = bell === 0n ? USER | BigInt(made + 1) : bell + USER
      if (Atomics.compareExchange(this.#bell, 0, bell, next) !== bell) continue
      if (bell !== 0n && made >= 0) foundry.close(made)
      return descriptorOf(next)
    }
  }

  /** Only while someone waits; counted in, so that the descriptor stays open meanwhile. */
  #withOpenBell(use: (files: Files, fd: number) => void): void {
    for (;;) {
      const bell = Atomics.load(this.#bell, 0)
      if (bell === 0n) return
      if (Atomics.compareExchange(this.#bell, 0, bell, bell + USER) !== bell) continue
      try {
        return use(files(), descriptorOf(bell))
      } finally {
        // Last only if the waiting thread was faster. In a worker Node warns of a descriptor that its `fs` did not open.
        this.#leaveBell({ close: (fd) => files().closeSync(fd) })
      }
    }
  }

  #leaveBell(foundry: Pick<BellFoundry, 'close'>): void {
    for (;;) {
      const bell = Atomics.load(this.#bell, 0)
      const last = bell >> 32n === 1n
      if (Atomics.compareExchange(this.#bell, 0, bell, last ? 0n : bell - USER) !== bell) continue
      if (last) foundry.close(descriptorOf(bell))
      return
    }
  }

  /** Aborts a signal whose turn has passed. Returns the turns. */
  #notice(): number {
    const turns = Atomics.load(this.#turns, 0)
    if (this.#controller && turns !== this.#turn) this.#controller.abort(interruption())
    return turns
  }

  /** Has this thread told when another one interrupts. */
  #listen(): void {
    if (this.#listening || this.#memory instanceof ArrayBuffer || typeof Atomics.waitAsync !== 'function')
      return
    const wait = Atomics.waitAsync(this.#turns, 0, this.#turn)
    if (!wait.async) {
      this.#notice()
      return
    }
    this.#listening = true
    const self = new WeakRef(this)
    wait.value.then(() => {
      const interrupt = self.deref()
      if (!interrupt) return
      interrupt.#listening = false
      interrupt.#notice()
      if (interrupt.#controller?.signal.aborted === false) interrupt.#listen()
    })
  }
}

function newMemory(): SharedArrayBuffer | ArrayBuffer {
  return typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(16) : new SharedArrayBuffer(16)
}

function memoryOf(shared: SharedInterrupt): SharedArrayBuffer {
  const memory = (shared as SharedInterrupt | null)?.memory
  if (!(memory instanceof SharedArrayBuffer) || memory.byteLength !== 16) {
    const text = `a ThreadInterrupt is made of nothing or of what share() gave, not ${describe(shared)}`
    throw new SockError(text, { code: 'ERR_INVALID_ARG_TYPE' })
  }
  return memory
}

const interruption = (): SockError => new SockError('interrupted', { code: 'ABORT_ERR' })

const descriptorOf = (bell: bigint): number => Number(bell & 0xffff_ffffn) - 1

/** `process.getBuiltinModule` instead of an import, so that core bundles for a browser, where nothing opens a bell. */
function files(): Files {
  type Host = { process: { getBuiltinModule(id: string): Files } }
  return (globalThis as unknown as Host).process.getBuiltinModule('node:fs')
}

function silence(files: Files, fd: number): void {
  try {
    files.readSync(fd, new Uint8Array(8))
  } catch (error) {
    if ((error as { code?: string }).code !== 'EAGAIN') throw error
  }
}
