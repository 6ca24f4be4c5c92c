import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parentPort, Worker } from 'node:worker_threads'
import type { SockError } from '../errors'
import type { ConnectionId, SockMan, SockManEvents } from '../sock-man'
import type { Stage } from './child'
import { contextScenarios } from './context-scenarios'
import { limitScenarios } from './limit-scenarios'
import { reach } from './stages'

type Scenario = (stage: Stage) => void

/** What `child.ts` can run: each prints lines for its case, and ends by having nothing left to do. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  ...contextScenarios,
  ...limitScenarios,

  /** C3: a directory that may not be written to. */
  permission({ create }) {
    const directory = mkdtempSync(join(tmpdir(), 'sockman-'))
    chmodSync(directory, 0o500)
    const root = process.geteuid!() === 0
    const man = create({})
    // root may write anywhere: as nobody then, for the length of the call.
    if (root) process.seteuid!(65534)
    try {
      man.listen(`unix:${join(directory, 'sock')}`)
      console.log('listening')
    } catch (error) {
      console.log(`${(error as SockError).code} ${(error as SockError).syscall}`)
    } finally {
      if (root) process.seteuid!(0)
      rmSync(directory, { recursive: true })
      void man.stop()
    }
  },

  /** C8: prints the ms of CPU in one idle second, the least of three for the sake of V8's own work. */
  idle({ create, args }) {
    const wanted = Number(args[0])
    let established = 0
    const count = (): void => {
      if (++established === 2 * wanted) setImmediate(measure, 3, Number.POSITIVE_INFINITY)
    }
    const man = create({ onAccepted: count, onConnected: count })
    const { address } = man.listen('127.0.0.1:0')
    for (let n = 0; n < wanted; n++) man.connect(address)
    const measure = (left: number, least: number): void => {
      const before = process.cpuUsage()
      setTimeout(() => {
        const { user, system } = process.cpuUsage(before)
        const now = Math.min(least, (user + system) / 1000)
        if (left > 1 && now >= 5) return measure(left - 1, now)
        console.log(now)
        void man.stop()
      }, 1000)
    }
    if (wanted === 0) measure(3, Number.POSITIVE_INFINITY)
  },

  /** C38: an echo under a rain of signals. */
  signals({ create }) {
    let seen = 0
    process.on('SIGUSR2', () => {
      seen++
    })
    const block = new Uint8Array(4096)
    let echoed = 0
    const { man, near } = loop(create, {
      onConnected: () => void man.send(near, block),
      onData: (id, data) => {
        process.kill(process.pid, 'SIGUSR2')
        if (id !== near) return void man.send(id, data)
        echoed += data.length
        if (echoed < 4 << 20) {
          if (echoed % block.length === 0) man.send(near, block)
          return
        }
        console.log(`echoed ${echoed}, ${seen > 0 ? 'signals seen' : 'no signal seen'}`)
        void man.stop()
        process.removeAllListeners('SIGUSR2')
      },
    })
  },

  /** C58: writes to a connection that the other side has closed. */
  sigpipe({ create }) {
    let insisting = true
    const insist = (): void => {
      if (!insisting) return
      insisting = man.send(near, new Uint8Array(1000))
      setImmediate(insist)
    }
    const { man, near } = loop(create, {
      onAccepted: (id) => void man.close(id),
      onEof: (id) => {
        if (id === near) insist()
      },
      onError: countSigpipes(),
    })
  },

  /** C58: the other side closes while bytes are queued that the kernel had no room for. */
  'sigpipe-queued'({ create }) {
    let far: ConnectionId | undefined
    const strike = (): void => {
      // Not before `near` has something to hold, so that it reads no more and its write is what meets the end.
      if (far === undefined || man.connectionStats(near).heldBytes === 0) return void setImmediate(strike)
      // A reset after an end of stream is EPIPE to whoever writes (tcp(7)); by itself it would be ECONNRESET.
      man.shutdown(far)
      man.close(far, { reset: true })
    }
    const { man, near } = loop(create, {
      onAccepted: (id) => {
        far = id
        man.pause(id)
        man.send(id, new Uint8Array(1))
      },
      onConnected: () => {
        man.pause(near)
        // More than both kernels hold.
        for (let n = 0; n < 24; n++) man.send(near, new Uint8Array(1 << 20))
        strike()
      },
      onError: countSigpipes(),
    })
  },

  /** C70: 50 connections with four events each, every handler of which throws. */
  exceptions({ create }) {
    let uncaught = 0
    let events = 0
    let twice = 0
    const seen = new Set<string>()
    const note = (event: string, id: ConnectionId): never => {
      if (seen.has(`${event} ${id}`)) twice++
      seen.add(`${event} ${id}`)
      events++
      throw new Error(event)
    }
    process.on('uncaughtException', () => {
      uncaught++
      if (uncaught === 200) setImmediate(report)
    })
    const report = (): void => {
      console.log(
        `${events} of 200 events, ${uncaught} uncaught, ${twice === 0 ? 'none twice' : `${twice} twice`}`,
      )
      void man.stop()
    }
    const man = create({
      onConnected: (id) => {
        man.send(id, new Uint8Array(1))
        man.shutdown(id)
      },
      onEof: (id) => void man.close(id),
    })
    const throwing: SockManEvents = {
      onAccepted: (id) => note('accepted', id),
      onData: (id) => note('data', id),
      onEof: (id) => {
        man.close(id)
        note('eof', id)
      },
      onClosed: (id) => note('closed', id),
    }
    const { address } = man.listen('127.0.0.1:0', { events: throwing })
    for (let n = 0; n < 50; n++) man.connect(address)
  },

  /** C70: what a pause held is delivered to handlers that throw. */
  'exceptions-held'({ create }) {
    const seen: string[] = []
    const uncaught: string[] = []
    process.on('uncaughtException', ({ message }) => uncaught.push(message))
    const note = (event: string): never => {
      seen.push(event)
      throw new Error(event)
    }
    let far: ConnectionId | undefined
    const held: SockManEvents = {
      onAccepted: (id) => {
        far = id
        man.pause(id)
      },
      onData: () => note('data'),
      onEof: (id) => {
        man.close(id)
        note('eof')
      },
      onClosed: () => {
        // What its exception became is known a turn later.
        setImmediate(() => {
          console.log(`${seen.join(' ')}, uncaught ${uncaught.join(' ')}`)
          void man.stop()
        })
        note('closed')
      },
    }
    const man = create({
      onConnected: (id) => {
        if (id !== near) return
        man.send(id, new Uint8Array(1))
        man.shutdown(id)
        // Once this one is accepted, what the first has sent was there to be read.
        man.connect(man.listen('127.0.0.1:0').address)
      },
      onAccepted: () => void man.resume(far!),
    })
    const near = man.connect(man.listen('127.0.0.1:0', { events: held }).address)
  },

  /** C79: descriptor 3 is a connected Unix stream socket, given by the parent. */
  adopt({ create }) {
    const man = create({
      onData: (id, data) => {
        console.log(Buffer.from(data).toString())
        man.send(id, Buffer.from('adopted'))
      },
      onEof: () => {
        console.log('eof')
        void man.stop()
      },
    })
    man.adopt({ release: () => 3 })
  },

  /** C10: only a listener holds the process. */
  'alive-listening'({ create }) {
    const man = create({ onData: () => leave(man) })
    console.log(`${man.listen('127.0.0.1:0').address}`)
  },

  /** C10: only a connection holds the process; its other end is in a SockMan that does not. */
  'alive-connected'({ create }) {
    const far = create({ onData: () => leave(far, near) }).unref()
    const near = create({})
    const { address } = far.listen('127.0.0.1:0')
    near.connect(address)
    console.log(`${address}`)
  },

  'gone-created'({ create }) {
    create({})
  },

  'gone-unref'({ create }) {
    create({}).unref().listen('127.0.0.1:0')
  },

  'gone-unref-connected'({ create }) {
    const { man } = loop(create, { onConnected: () => void man.unref() })
  },

  /** C10: with bytes that the kernel does not take. */
  'gone-unref-sending'({ create }) {
    const { man, near } = loop(create, {
      onAccepted: (id) => man.pause(id),
      onConnected: () => {
        // More than both kernels hold.
        for (let n = 0; n < 24; n++) man.send(near, new Uint8Array(1 << 20))
        man.unref()
      },
    })
  },

  'gone-closed'({ create }) {
    const man = create({
      onConnected: (id) => {
        listener.close()
        man.close(id)
      },
      onEof: (id) => void man.close(id),
    })
    const listener = man.listen('127.0.0.1:0')
    man.connect(listener.address)
  },

  /** C9: a signal that throws when its connect ends with the SockMan. */
  'signal-throws'({ create, args: [how] }) {
    let uncaught = 0
    process.on('uncaughtException', () => void uncaught++)
    const { man } = loop(create, {
      onConnected: () => {
        const signal = Object.create(AbortSignal.prototype, {
          aborted: { value: false },
          addEventListener: { value: () => {} },
          removeEventListener: {
            value: () => {
              throw new Error('of the signal')
            },
          },
        })
        man.connect(man.listen('127.0.0.1:0').address, { signal })
        void man.stop({ flush: how === 'flush', timeout: 100 }).then(() => {
          console.log(`${uncaught} uncaught, stopped`)
          process.removeAllListeners('uncaughtException')
        })
      },
    })
  },

  /** C90: a list that throws for the first of two peers. */
  'list-throws'({ create }) {
    let asked = 0
    let uncaught = 0
    process.on('uncaughtException', () => void uncaught++)
    const blockList = {
      check() {
        if (++asked === 1) throw new Error('of the list')
        return false
      },
    }
    const man = create({
      onConnected: (id) => void man.send(id, 'x'),
      // The first peer's end is told before, or after, that of the second.
      onEof: (id) => void man.close(id),
      onError: (id) => void man.close(id),
      onData: () => {
        const { accepted, refused } = man.stats()
        console.log(`${uncaught} uncaught, ${accepted} accepted, ${refused} refused`)
        void man.stop()
      },
    })
    const { address } = man.listen('127.0.0.1:0', { blockList })
    man.connect(address)
    man.connect(address)
  },

  /** C90: lists that answer with promises. */
  'list-promises'({ create }) {
    const codes: string[] = []
    let ended = 0
    process.on('uncaughtException', (error) => void codes.push((error as SockError).code))
    const answer = (): boolean => Promise.resolve(false) as never
    const man = create({
      onEof: (id) => void man.close(id),
      onError: (id) => void man.close(id),
      onClosed: () => {
        if (++ended < 2) return
        const { accepted, refused } = man.stats()
        console.log(`${codes.length} ${[...new Set(codes)]}, ${accepted} accepted, ${refused} refused`)
        void man.stop()
      },
    })
    man.connect(man.listen('127.0.0.1:0', { allowList: { check: answer } }).address)
    man.connect(man.listen('127.0.0.1:0', { blockList: { check: answer } }).address)
  },

  'gone-stopped'({ create }) {
    const { man } = loop(create, { onConnected: () => void man.stop() })
  },

  /** C11. */
  end({ create, args: [stage, manner], argv }) {
    const reached = (): void => {
      process.stderr.write('reached\n')
      if (manner === 'exit') process.exit(7)
      throw new Error('the end')
    }
    if (manner !== 'terminate') return reach(create, stage!, reached)
    const worker = new Worker(new URL(import.meta.url), { workerData: argv.with(3, 'end-worker') })
    worker.once('message', () => {
      process.stderr.write('reached\n')
      void worker.terminate().then(() => {
        process.exitCode = 9
      })
    })
  },

  'end-worker'({ create, args: [stage] }) {
    reach(create, stage!, () => parentPort!.postMessage('reached'))
  },

  /** C12: an echo in the main thread and in two workers, at once. */
  workers({ create, argv }) {
    const done = [1, 2].map(
      (n) =>
        new Promise<string>((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: argv.with(3, 'workers-one') })
          worker.once('error', reject)
          worker.once('message', () => resolve(`${n}`))
        }),
    )
    const main = new Promise<string>((resolve) => echo(create, () => resolve('main')))
    void Promise.all([main, ...done]).then((names) => console.log(`echoed in ${names.join(', ')}`))
  },

  'workers-one'({ create }) {
    echo(create, () => parentPort!.postMessage('done'))
  },
}

/** Answers an `onError` that says how many SIGPIPE there were, and ends the process. */
function countSigpipes(): () => void {
  let signals = 0
  // Never removed: without a listener the default would be to die of it.
  process.on('SIGPIPE', () => {
    signals++
  })
  return () => {
    const report = (): void => {
      console.log(`error, ${signals === 0 ? 'no SIGPIPE' : `${signals} SIGPIPE`}`)
      process.exit()
    }
    // The first may come in this very turn, a signal is seen when the loop has polled again.
    setImmediate(() => setImmediate(report))
  }
}

/** A SockMan connected to itself. */
function loop(create: Stage['create'], events: SockManEvents): { man: SockMan; near: ConnectionId } {
  const man = create(events)
  return { man, near: man.connect(man.listen('127.0.0.1:0').address) }
}

/** 2 MiB there and back. */
function echo(create: Stage['create'], done: () => void): void {
  const total = 2 << 20
  let echoed = 0
  const { man, near } = loop(create, {
    onData: (id, data) => {
      if (id !== near) return void man.send(id, data)
      echoed += data.length
      if (echoed === total) void man.stop().then(done)
    },
  })
  man.send(near, new Uint8Array(total))
}

function leave(...men: SockMan[]): void {
  process.exitCode = 7
  for (const man of men) void man.stop()
}
