import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, expect, test } from 'vitest'
import { type BellFoundry, ThreadInterrupt } from '../src'

const coded = (code: string) => expect.objectContaining({ name: 'SockError', code })
const directory = mkdtempSync(join(tmpdir(), 'sockman-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('interrupted until reset; a fresh signal after each reset', () => {
  const interrupt = new ThreadInterrupt()
  const { signal } = interrupt
  expect([interrupt.interrupted, signal.aborted, interrupt.signal]).toEqual([false, false, signal])
  interrupt.interrupt()
  interrupt.interrupt()
  expect([interrupt.interrupted, signal.aborted, interrupt.signal === signal]).toEqual([true, true, true])
  expect(signal.reason).toEqual(coded('ABORT_ERR'))
  interrupt.reset()
  interrupt.reset()
  expect([interrupt.interrupted, signal.aborted]).toEqual([false, true])
  expect(interrupt.signal).not.toBe(signal)
  expect(interrupt.signal.aborted).toBe(false)
})

test('a signal first asked for while interrupted is aborted', () => {
  const interrupt = new ThreadInterrupt()
  interrupt.interrupt()
  expect(interrupt.signal.aborted).toBe(true)
})

test('shared, it is the same interrupt; an interrupt that is reset at once is not missed', async () => {
  const interrupt = new ThreadInterrupt()
  const other = new ThreadInterrupt(structuredClone({ memory: interrupt.share().memory }))
  const { signal } = other
  interrupt.interrupt()
  interrupt.reset()
  expect([other.interrupted, signal.aborted]).toEqual([false, true])
  const second = other.signal
  expect(second.aborted).toBe(false)
  const aborted = once(second, 'abort')
  interrupt.interrupt()
  await aborted
  other.reset()
  expect([interrupt.interrupted, interrupt.signal.aborted]).toEqual([false, false])
})

test.each([null, {}, { memory: new SharedArrayBuffer(8) }, { memory: new ArrayBuffer(16) }, 5])(
  '%o is no shared interrupt',
  (shared) => {
    expect(() => new ThreadInterrupt(shared as never)).toThrow(coded('ERR_INVALID_ARG_TYPE'))
  },
)

const dist = new URL('../dist/index.js', import.meta.url).href

/** Runs code in a worker until its first message. `exited` is listened to from the start: both can come in one turn. */
async function inWorker(
  code: string,
  workerData: unknown,
): Promise<{ worker: Worker; exited: Promise<unknown[]> }> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    import(${JSON.stringify(dist)}).then(({ ThreadInterrupt }) => {
      const interrupt = new ThreadInterrupt(workerData.shared)
      ${code}
    })`,
    { eval: true, workerData },
  )
  const exited = once(worker, 'exit')
  await once(worker, 'message')
  return { worker, exited }
}

test('another thread is told, and keeps nothing alive by listening', async () => {
  const interrupt = new ThreadInterrupt()
  const { worker, exited } = await inWorker(
    `interrupt.signal.addEventListener('abort', () => { parentPort.postMessage('aborted'); parentPort.close() })
     parentPort.once('message', () => {})
     parentPort.postMessage('listening')`,
    { shared: interrupt.share() },
  )
  const told = once(worker, 'message')
  interrupt.interrupt()
  expect([await told, await exited]).toEqual([['aborted'], [0]])
  interrupt.reset()
  const idle = await inWorker(`interrupt.signal; parentPort.postMessage('listening')`, {
    shared: interrupt.share(),
  })
  expect([await idle.exited, interrupt.interrupted]).toEqual([[0], false])
})

test('another thread interrupts this one', async () => {
  const interrupt = new ThreadInterrupt()
  const aborted = once(interrupt.signal, 'abort')
  const { worker } = await inWorker(`interrupt.interrupt(); parentPort.postMessage('done')`, {
    shared: interrupt.share(),
  })
  await aborted
  expect(interrupt.interrupted).toBe(true)
  await worker.terminate()
})

/** Stands in for an eventfd, which needs native code: readable once rung. */
function foundry(): BellFoundry & { closed: number[] } {
  const path = join(directory, 'bell')
  execFileSync('mkfifo', [path])
  const closed: number[] = []
  const close = (fd: number): void => {
    closed.push(fd)
    closeSync(fd)
  }
  return { open: () => openSync(path, constants.O_RDWR | constants.O_NONBLOCK), close, closed }
}
const isOpen = (fd: number): boolean => existsSync(`/proc/self/fd/${fd}`)
const readable = (fd: number): boolean => {
  try {
    return readSync(fd, new Uint8Array(64)) > 0
  } catch (error) {
    expect(error).toEqual(expect.objectContaining({ code: 'EAGAIN' }))
    return false
  }
}

test('the bell rings on interrupt, also on one before it, is silenced by reset, and is closed', () => {
  const interrupt = new ThreadInterrupt()
  const other = new ThreadInterrupt(interrupt.share())
  const fds: number[] = []
  const bells = foundry()
  interrupt.withBell(bells, (fd) => {
    fds.push(fd)
    expect(readable(fd)).toBe(false)
    other.interrupt()
    expect(readable(fd)).toBe(true)
    other.reset()
    other.interrupt()
    other.reset()
    expect(readable(fd)).toBe(false)
    const needless = (): never => {
      throw new Error('there is one')
    }
    other.withBell({ open: needless, close: needless }, (same) => expect(same).toBe(fd))
    expect(isOpen(fd)).toBe(true)
  })
  interrupt.interrupt()
  const answer = interrupt.withBell(bells, (fd) => {
    fds.push(fd)
    return readable(fd)
  })
  expect(answer).toBe(true)
  const failing = () =>
    interrupt.withBell(bells, (fd) => {
      fds.push(fd)
      throw new Error('of the wait')
    })
  expect(failing).toThrow('of the wait')
  expect(bells.closed).toEqual(fds)
  expect(fds.map(isOpen)).toEqual([false, false, false])
})

test('a thread that blocks on the bell is woken by another', async () => {
  const interrupt = new ThreadInterrupt()
  const path = join(directory, 'blocking')
  execFileSync('mkfifo', [path])
  const { worker, exited } = await inWorker(
    `const { closeSync, openSync, readSync } = require('node:fs')
     let bell
     const count = interrupt.withBell({ open: () => openSync(workerData.path, 'r+'), close: closeSync }, (fd) => {
       bell = fd
       parentPort.postMessage('blocking')
       return readSync(fd, new Uint8Array(64))
     })
     // Node closes what a worker's fs has opened when it ends, and this thread may still be ringing.
     parentPort.once('message', () => {})
     parentPort.postMessage([bell, count, interrupt.interrupted])`,
    { shared: interrupt.share(), path },
  )
  interrupt.interrupt()
  const [[bell, count, interrupted]] = await once(worker, 'message')
  expect([count, interrupted, isOpen(bell)]).toEqual([8, true, false])
  worker.postMessage('done')
  await exited
})
