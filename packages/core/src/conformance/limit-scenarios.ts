import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
} from 'node:fs'
import { createServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SockError } from '../errors'
import type { SockManOptions } from '../options'
import type { ConnectionId, SockMan, SockManEvents } from '../sock-man'
import type { Stage } from './child'
import { residentMemory } from './measure'

type Answers = Readonly<Record<string, (argument: string) => unknown>>

/**
 * What `child.ts` runs for `limits.ts`: each prints an address, then answers the commands that come on descriptor 3 with a
 * line of JSON each, until `stop`.
 */
export const limitScenarios = {
  /** C22: the process's descriptors were taken before: `args` is how many. */
  'filled-before'({ create, args }: Stage): void {
    fill(Number(args[0]))
    const before = readdirSync('/proc/self/fd').length
    try {
      const man = echo(create)
      console.log(JSON.stringify({ address: `${man.listen('127.0.0.1:0').address}` }))
      serve(man, {})
    } catch (error) {
      const { code, message } = error as SockError
      console.log(JSON.stringify({ code, message, leaked: readdirSync('/proc/self/fd').length - before }))
    }
  },

  /** C22: they are taken while it works. */
  'filled-after'({ create }: Stage): void {
    const errors: string[] = []
    let tell!: () => void
    const told = new Promise<void>((resolve) => {
      tell = resolve
    })
    const man = echo(create, (code) => {
      errors.push(code)
      tell()
    })
    const { address } = man.listen('127.0.0.1:0')
    let taken: number[] = []
    serve(man, {
      fill: (count) => {
        taken = fill(Number(count))
        return taken.length
      },
      /** What each way of opening a connection or a listener comes to, and whether it left something behind. */
      open: () => {
        const directory = mkdtempSync(join(tmpdir(), 'sockman-'))
        const path = join(directory, 'sock')
        const before = readdirSync('/proc/self/fd').length
        // Its number may be taken at once by what the driving thread opens: that is nobody's null device.
        const given = openSync('/dev/null', 'r')
        const { rdev } = fstatSync(given)
        const outcome = {
          connect: attempt(() => void man.connect(address)),
          listen: attempt(() => void man.listen('127.0.0.1:0')),
          unix: attempt(() => man.listen(`unix:${path}`).close()),
          adopt: attempt(() => void man.adopt({ release: () => given })),
          stillOpen: holds(given, rdev),
          leaked: readdirSync('/proc/self/fd').length - before,
          path: existsSync(path),
        }
        rmSync(directory, { recursive: true })
        return outcome
      },
      /** Not before a refusal that the engine has counted has been told here too. */
      report: async () => {
        const { accepted, acceptErrors, connections } = man.stats()
        if (acceptErrors > 0) await told
        return { accepted, acceptErrors, connections, errors }
      },
      empty: () => {
        for (const fd of taken) closeSync(fd)
        return taken.length
      },
    })
    console.log(`${address}`)
  },

  /** C21: every descriptor that the process may have is taken. */
  exhausted({ create }: Stage): void {
    const errors: string[] = []
    const man = echo(create, (code) => errors.push(code))
    const { address } = man.listen('127.0.0.1:0')
    const taken: number[] = []
    serve(man, {
      fill: () => {
        try {
          for (;;) taken.push(openSync('/dev/null', 'r'))
        } catch (error) {
          return (error as SockError).code
        }
      },
      /** A window of so many ms: CPU as a share of it, wake-ups and errors so far. */
      measure: (ms) =>
        new Promise((resolve) => {
          const { wakeups } = man.stats()
          const begun = performance.now()
          const cpu = process.cpuUsage()
          setTimeout(() => {
            const { user, system } = process.cpuUsage(cpu)
            const took = performance.now() - begun
            const share = (user + system) / 1000 / took
            resolve({ took, share, wakeups: man.stats().wakeups - wakeups, errors })
          }, Number(ms))
        }),
      free: () => {
        closeSync(taken.pop()!)
        return taken.length
      },
    })
    console.log(`${address}`)
  },

  /** C39: a descriptor is closed behind the engine's back. */
  'bad-descriptor'({ create }: Stage): void {
    const man = echo(create)
    let last: ConnectionId | undefined
    const { address } = man.listen('127.0.0.1:0', {
      events: {
        onAccepted: (id) => {
          last = id
        },
        onData: (id, data) => void man.send(id, data),
      },
    })
    let known: readonly number[] = []
    serve(man, {
      /** Remembers the sockets there are. */
      look: () => {
        known = sockets()
        return known.length
      },
      /** Closes the one that has come since; `held`: once another process has inherited it, which ends with this one. */
      break: async (held) => {
        const [fd, ...others] = sockets().filter((each) => !known.includes(each))
        if (held) {
          const holder = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', fd!] })
          await once(holder, 'spawn')
          holder.unref()
          ;(holder.stdin as Socket).unref()
        }
        closeSync(fd!)
        return others.length
      },
      /** Closes the connection that was accepted last. */
      drop: () => man.close(last!),
      measure: cpuShare,
    })
    console.log(`${address}`)
  },

  /** C39: a listener that does not accept, for there is a connection already, is closed behind the engine's back. */
  'bad-listener'({ create }: Stage): void {
    const errors: string[] = []
    let tell!: () => void
    const told = new Promise<void>((resolve) => {
      tell = resolve
    })
    const note = (code: string): void => {
      errors.push(code)
      tell()
    }
    const before = sockets()
    const man = echo(create, note, { maxConnections: 1 })
    const own = sockets().filter((fd) => !before.includes(fd))
    const { address } = man.listen('127.0.0.1:0')
    const opened = sockets().filter((fd) => !before.includes(fd) && !own.includes(fd))
    serve(man, {
      break: () => {
        for (const fd of opened) closeSync(fd)
        return opened.length
      },
      measure: async (ms) => ({ share: await cpuShare(ms), errors }),
      /** The first code of `onListenError`. */
      error: async () => {
        await told
        return errors[0]
      },
    })
    console.log(`${address}`)
  },

  /** C85: JavaScript stands still while another process wants it to. */
  busy({ create, args }: Stage): void {
    const size = Number(args[0])
    const directory = mkdtempSync(join(tmpdir(), 'sockman-'))
    const gate = join(directory, 'gate')
    execFileSync('mkfifo', [gate])
    let noise = 0
    const man = create({
      onData: (id, data) => {
        const what = String.fromCharCode(data[0]!)
        if (what === 'n') noise += data.length
        if (what === 'q') man.send(id, Buffer.alloc(size))
        if (what === 'f') man.close(id, { flush: true, timeout: 100 })
        if (what !== 'n') console.log('"taken"')
      },
      onEof: (id) => void man.close(id),
    })
    const { address } = man.listen('127.0.0.1:0')
    serve(man, {
      gate: () => gate,
      /** Until somebody has written a byte. */
      block: () => {
        const fd = openSync(gate, 'r')
        const length = readSync(fd, new Uint8Array(1))
        closeSync(fd)
        return length
      },
      report: () => ({ noise, overflows: man.stats().overflows }),
      tidy: () => {
        rmSync(directory, { recursive: true })
        return true
      },
    })
    console.log(`${address}`)
  },

  /** C71: greets and keeps every connection, by SockMan or by `node:net` as `args` says. */
  crowd({ create, args }: Stage): void {
    const greeting = Buffer.from('!')
    if (args[0] === 'net') {
      const open = new Set<Socket>()
      const server = createServer((socket) => {
        open.add(socket.on('error', () => {}).once('close', () => open.delete(socket)))
        socket.write(greeting)
      }).listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        const stop = (): void => {
          server.close()
          for (const socket of open) socket.destroy()
        }
        serve({ stop }, { measure: residentMemory })
        console.log(`127.0.0.1:${port}`)
      })
      return
    }
    const man = create({ onAccepted: (id) => void man.send(id, greeting) })
    const { address } = man.listen('127.0.0.1:0')
    serve(man, { measure: residentMemory, report: () => man.stats() })
    console.log(`${address}`)
  },
}

/** An echo; `note` gets the codes of `onListenError`. */
function echo(
  create: Stage['create'],
  note: (code: string) => void = () => {},
  options?: SockManOptions,
): SockMan {
  const events: SockManEvents = {
    onData: (id, data) => void man.send(id, data),
    onListenError: (_listener, { code }) => note(code),
  }
  const man = create(events, options)
  return man
}

/** CPU of this process in a window of so many ms, as a share of the window. */
function cpuShare(ms: string): Promise<number> {
  return new Promise((resolve) => {
    const cpu = process.cpuUsage()
    setTimeout(() => {
      const { user, system } = process.cpuUsage(cpu)
      resolve((user + system) / 1000 / Number(ms))
    }, Number(ms))
  })
}

/** Answers commands, `name argument`, until `stop`. */
function serve(man: { stop(): unknown }, answers: Answers): void {
  const socket = new Socket({ fd: 3 })
  const lines = createInterface({ input: socket })
  lines.on('line', async (line) => {
    const [name, argument] = line.split(' ') as [string, string]
    if (name !== 'stop') return console.log(JSON.stringify(await answers[name]!(argument)))
    lines.close()
    socket.destroy()
    man.stop()
  })
}

/** Opens files until their numbers have reached `count`. */
function fill(count: number): number[] {
  const taken: number[] = []
  while ((taken.at(-1) ?? 0) < count) taken.push(openSync('/dev/null', 'r'))
  return taken
}

/** Whether a descriptor is open, and the device that it was. */
function holds(fd: number, device: number): boolean {
  return attempt(() => void fstatSync(fd)) === 'done' && fstatSync(fd).rdev === device
}

function attempt(call: () => void): string {
  try {
    call()
    return 'done'
  } catch (error) {
    return (error as SockError).code
  }
}

/** The numbers of this process's sockets. */
function sockets(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`)) === 'done')
    .filter((fd) => readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:'))
}
