import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { WarningMessage } from '../diagnostics'
import type { SockError } from '../errors'
import type { ConnectionId, Listener, SockMan } from '../sock-man'
import { pattern } from './bytes'
import { type Case, needsDescriptors, needsProcess, needsUnix } from './harness'
import { assertFast, Stopwatch, timed } from './limit'
import type { Peer } from './peers'
import { nextTurn, type Trial, throwsCode } from './trial'

/** Neither can be parsed; the last two are refused for what they are. */
const MALFORMED = [
  '',
  '127.0.0.1',
  '127.0.0.1:65536',
  '1.2.3:1',
  '[::1',
  '::1:80',
  'unix:',
  `unix:${'x'.repeat(108)}`,
  'localhost:80',
  'example.org:1',
]

/** C1–C7, C9, C12: listeners, and the end of a SockMan. */
export const lifecycle: readonly Case[] = [
  {
    title: 'C1 listens on every family, several at once, at any time, and answers the real address',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const { families } = trial.network
      const { unixSockets, abstractUnix } = trial.supports
      const wanted = families.filter((family) => family !== 'unix' || unixSockets)
      for (const family of wanted) {
        const listeners = [1, 2].map(() => man.listen(trial.network.address(family)))
        assert.notEqual(listeners[0]!.id, listeners[1]!.id)
        for (const listener of listeners) {
          assert.ok(family === 'unix' || listener.address.port > 0, `${listener.address}`)
          const { id, peer } = await trial.into(watched, listener)
          assert.equal(log.life(id).listener?.id, listener.id)
          await peer.send(Buffer.from(family))
          assert.equal((await log.receive(id, family.length)).toString(), family)
        }
      }
      assert.equal(man.stats().listeners, wanted.length * 2)
      if (!abstractUnix) return
      const { near, far } = await trial.loop(watched, 'abstract')
      man.send(near, Buffer.from('abstract'))
      assert.equal((await log.receive(far, 8)).toString(), 'abstract')
    },
  },
  {
    title: 'C1 refuses the families it has not',
    async run(trial) {
      const { man } = trial.open()
      for (const [has, address] of [
        [trial.supports.unixSockets, 'unix:/nowhere/sock'],
        [trial.supports.abstractUnix, 'unix:@sockman-conformance-refused'],
      ] as const) {
        if (has) continue
        assert.equal(throwsCode('ERR_INVALID_ADDRESS', () => man.listen(address)).address, address)
        assert.equal(throwsCode('ERR_INVALID_ADDRESS', () => man.connect(address)).address, address)
      }
    },
  },
  {
    title: 'C2 a malformed address fails at once, named, and adds nothing',
    async run(trial) {
      const { man } = trial.open()
      for (const address of MALFORMED) {
        for (const call of [() => man.listen(address), () => man.connect(address)]) {
          const error = throwsCode('ERR_INVALID_ADDRESS', call)
          assert.equal(error.address, address)
          assert.ok(error.message.includes(address.slice(0, 80)), error.message)
        }
      }
      for (const address of [undefined, 65_536, {}] as unknown as string[])
        throwsCode('ERR_INVALID_ADDRESS', () => man.listen(address))
      throwsCode('ERR_UNKNOWN_OPTION', () => man.listen(trial.network.address(), { backlogg: 1 } as object))
      throwsCode('ERR_OUT_OF_RANGE', () => man.listen(trial.network.address(), { backlog: 0 }))
      throwsCode('ERR_INVALID_ARG_TYPE', () =>
        man.connect(trial.network.address(), { timeout: '1' as unknown as number }),
      )
      const { listeners, connections } = man.stats()
      assert.deepEqual({ listeners, connections }, { listeners: 0, connections: 0 })
    },
  },
  {
    title: 'C3 an address in use is EADDRINUSE',
    async run(trial) {
      const { man } = trial.open()
      const { address } = man.listen(trial.network.address())
      const error = throwsCode('EADDRINUSE', () => man.listen(address))
      assert.match(error.syscall ?? '', /^(bind|listen)$/)
      assert.deepEqual(
        { address: error.address, port: error.port },
        { address: address.host, port: address.port },
      )
      assert.ok(error.errno! < 0)
      assert.equal(man.stats().listeners, 1)
    },
  },
  {
    title: 'C3 an address of another machine is EADDRNOTAVAIL',
    async run(trial) {
      const { man } = trial.open()
      // TEST-NET-3 of RFC 5737 belongs to nobody.
      const error = throwsCode('EADDRNOTAVAIL', () => man.listen('203.0.113.1:0'))
      assert.deepEqual(
        { syscall: error.syscall, address: error.address },
        { syscall: 'bind', address: '203.0.113.1' },
      )
      assert.equal(man.stats().listeners, 0)
    },
  },
  {
    title: 'C3 no permission is EACCES',
    skip: (facts) => needsDescriptors(facts) ?? needsUnix(facts) ?? needsProcess(facts),
    async run(trial) {
      const child = trial.child('permission')
      assert.equal(await child.line(), 'EACCES bind')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C4 listening again right after close works while old connections sit in TIME_WAIT',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const listener = man.listen(trial.network.address())
      const { id, peer } = await trial.into(watched, listener)
      // The side that closes first is the one that waits.
      man.close(id)
      await log.event(id, 'closed')
      await peer.receiveInto(() => {})
      await peer.end()
      listener.close()
      const again = man.listen(listener.address)
      assert.equal(again.address.port, listener.address.port)
      const { id: next } = await trial.into(watched, again)
      assert.notEqual(next, id)
    },
  },
  {
    title: 'C5 the IPv6 wildcard leaves the IPv4 port alone, unless asked',
    skip: ({ network }) => (network().families.includes('ipv6') ? undefined : 'no IPv6 on this machine'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const [six, four] = listenOnBoth(man)
      const peer = await trial.network.connect(`127.0.0.1:${six.address.port}`)
      await log.until('an IPv4 connection', () => log.accepted.length === 1)
      assert.equal(log.life(log.accepted[0]!).listener?.id, four.id)
      peer.destroy()
      const both = man.listen('[::]:0', { ipv6Only: false })
      throwsCode('EADDRINUSE', () => man.listen(`0.0.0.0:${both.address.port}`))
      await trial.network.connect(`127.0.0.1:${both.address.port}`)
      await log.until('an IPv4 connection through IPv6', () => log.accepted.length === 2)
      assert.equal(log.life(log.accepted[1]!).listener?.id, both.id)
    },
  },
  {
    // Linux refuses SO_REUSEPORT on a Unix socket since 6.13. `tests/sockopt.test.ts` forbids every option.
    title: 'C6 a socket option that cannot be set is a warning at most, and the socket works',
    skip: needsUnix,
    async run(trial) {
      const warnings: WarningMessage[] = []
      const note = (message: unknown): void => void warnings.push(message as WarningMessage)
      subscribe('sockman:warning', note)
      try {
        const watched = trial.open()
        const { id, peer } = await trial.inbound(watched, 'unix', { reusePort: true })
        await peer.send(Buffer.from('works'))
        assert.equal((await watched.log.receive(id, 5)).toString(), 'works')
        const address = watched.log.life(id).listener!.address.path
        for (const { code, error } of warnings) {
          assert.deepEqual([code, error?.code, error?.address], ['SOCKOPT', 'EOPNOTSUPP', address])
        }
        assert.ok(warnings.length <= 1)
      } finally {
        unsubscribe('sockman:warning', note)
      }
    },
  },
  {
    title: 'C7 a stale Unix path is in use, never unlinked; the path goes with its listener',
    skip: needsUnix,
    async run(trial) {
      const { man } = trial.open()
      const { files } = trial.network
      const [stale, live] = [trial.network.address('unix'), trial.network.address('unix')]
      files.occupy(stale.slice(5))
      throwsCode('EADDRINUSE', () => man.listen(stale))
      assert.ok(files.exists(stale.slice(5)))
      const listener = man.listen(live)
      throwsCode('EADDRINUSE', () => man.listen(live))
      assert.ok(files.exists(live.slice(5)))
      listener.close()
      listener.close()
      assert.ok(!files.exists(live.slice(5)))
      man.listen(live)
      await man.stop()
      assert.ok(!files.exists(live.slice(5)), 'the path outlives stop()')
    },
  },
  {
    title: 'C9 stop() resolves within 100 ms with 100 busy connections, after onClosed of each',
    deadline: [20_000, 60_000],
    async run(trial) {
      const data = pattern(64 * 1024)
      const control = (): Promise<number> => endingPeers(trial, data)
      await assertFast(trial.network, { promised: 100, attempts: 3, control }, async () => {
        let watch: Stopwatch | undefined
        const threads = threadCount()
        const watched = trial.open({
          onData: (id, chunk) => {
            if (man.connectionStats(id).queuedBytes < 1 << 20) man.send(id, chunk)
          },
          // A network thread is about to end.
          onClosed: () => {
            if (log.closed.length === 100) watch?.note()
          },
        })
        const { man, log } = watched
        const listener = man.listen(trial.network.address())
        const peers = await Promise.all(
          Array.from({ length: 100 }, () => trial.network.connect(listener.address.toString())),
        )
        await log.until('100 connections', () => log.accepted.length === 100)
        for (const peer of peers) {
          // Ends with the connection.
          void Promise.allSettled([flood(peer, data), peer.receiveInto(() => {})])
        }
        await log.until('traffic on all', () => log.accepted.every((id) => log.life(id).receivedBytes > 0))
        watch = new Stopwatch(trial.network)
        await man.stop()
        const taken = watch.read()
        assert.equal(log.closed.length, 100)
        await nextTurn()
        const { connections, listeners } = man.stats()
        assert.deepEqual({ connections, listeners }, { connections: 0, listeners: 0 })
        if (trial.supports.descriptors) assert.ok(threadCount() <= threads, 'its thread is still there')
        for (const peer of peers) peer.destroy()
        await Promise.all(peers.map(({ closed }) => closed))
        return taken
      })
    },
  },
  {
    title: 'C9 stop() is harmless twice and before anything started; afterwards calls throw ERR_STOPPED',
    async run(trial) {
      const idle = trial.open()
      await Promise.all([idle.man.stop(), idle.man.stop()])
      await idle.man[Symbol.asyncDispose]()
      const watched = trial.open()
      const { man, log } = watched
      const { id } = await trial.inbound(watched)
      const both = Promise.all([man.stop(), man.stop()])
      for (const { man: stopped } of [idle, watched]) {
        const release = (): number => -1
        throwsCode('ERR_STOPPED', () => stopped.listen(trial.network.address()))
        throwsCode('ERR_STOPPED', () => stopped.connect('127.0.0.1:1'))
        throwsCode('ERR_STOPPED', () => stopped.adopt({ release }))
        throwsCode('ERR_STOPPED', () => stopped.adoptListener({ release }))
        throwsCode('ERR_STOPPED', () => stopped.send(id, Buffer.from('x')))
        assert.equal(stopped.close(id), false)
        stopped.pause(id)
        stopped.resume(id)
        stopped.shutdown(id)
      }
      await both
      assert.deepEqual(log.closed, [id])
    },
  },
  {
    title: 'C9 stop() inside a callback finishes after it, with onClosed for connecting ids too',
    async run(trial) {
      let stopped: Promise<void> | undefined
      const watched = trial.open({
        onData: () => {
          stopped = man.stop()
        },
      })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const other = await trial.inbound(watched)
      const pending = man.connect(await trial.network.silent())
      await Promise.all([peer.send(Buffer.from('stop')), other.peer.send(Buffer.from('stop'))])
      await log.until('the callback', () => stopped !== undefined)
      await stopped
      const ids = (list: readonly ConnectionId[]): number[] => [...list].sort((a, b) => a - b)
      assert.deepEqual(ids(log.closed), ids([id, other.id, pending]))
      assert.ok(
        log.closed.every(
          (closed) => log.life(closed).events.filter((event) => event === 'closed').length === 1,
        ),
      )
    },
  },
  {
    title: 'C9 stop() waits for no flush: onClosed with what was not sent',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      // Its peer does not read.
      const { id } = await trial.inbound(watched)
      man.send(id, pattern(trial.network.capacity + (1 << 20)))
      man.close(id, { flush: true, timeout: 600_000 })
      await nextTurn()
      await man.stop()
      assert.ok(log.life(id).unsent! > 0, `${log.life(id).unsent}`)
    },
  },
  {
    title: 'C9 stop() after connects were aborted: onClosed for each',
    async run(trial) {
      const address = await trial.network.silent()
      const { man, log } = trial.open()
      const controller = new AbortController()
      const ids: ConnectionId[] = []
      for (let n = 0; n < 24; n++) ids.push(man.connect(address, { signal: controller.signal }))
      controller.abort()
      await man.stop()
      for (const id of ids) assert.deepEqual(log.life(id).events, ['closed'])
    },
  },
  {
    title: 'C12 two SockMans are independent',
    async run(trial) {
      const [one, two] = [trial.open(), trial.open()]
      const first = await trial.inbound(one)
      const second = await trial.inbound(two)
      await one.man.stop()
      assert.deepEqual(one.log.closed, [first.id])
      await second.peer.send(Buffer.from('still here'))
      assert.equal((await two.log.receive(second.id, 10)).toString(), 'still here')
      assert.equal(one.log.life(first.id).receivedBytes, 0)
    },
  },
]

/** The wildcards of IPv6 and IPv4 on one port. The system chooses a free one of IPv6, which may be taken in IPv4. */
function listenOnBoth(man: SockMan): [six: Listener, four: Listener] {
  for (let tries = 1; ; tries++) {
    const six = man.listen('[::]:0')
    try {
      return [six, man.listen(`0.0.0.0:${six.address.port}`)]
    } catch (error) {
      six.close()
      if (tries === 10 || (error as SockError).code !== 'EADDRINUSE') throw error
    }
  }
}

/** Sends until the connection ends. */
async function flood(peer: Peer, data: Uint8Array): Promise<never> {
  for (;;) await peer.send(data)
}

/** ms until the last of 100 peers that are as busy is gone. */
async function endingPeers(trial: Trial, data: Uint8Array): Promise<number> {
  const pairs = await trial.peers(100)
  const arrivals = pairs.flat().map(
    (peer) =>
      new Promise<void>((resolve) => {
        void Promise.allSettled([flood(peer, data), peer.receiveInto(() => resolve())])
      }),
  )
  await Promise.all(arrivals)
  const { took } = await timed(trial.network, () =>
    Promise.all(
      pairs.map(([near]) => {
        near.destroy()
        return near.closed
      }),
    ),
  )
  for (const [, far] of pairs) far.destroy()
  await Promise.all(pairs.map(([, { closed }]) => closed))
  return took
}

/** How many threads run, without those that are at their end: the kernel lists a joined thread for a while. */
function threadCount(): number {
  if (!existsSync('/proc/self/task')) return 0
  return readdirSync('/proc/self/task').filter(runs).length
}

/** PF_EXITING of the kernel's `include/linux/sched.h`: set before whoever joins the thread is woken. */
const EXITING = 0x4

function runs(thread: string): boolean {
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
    // The fields after the name, which may hold spaces: state, five numbers, the flags (proc_pid_stat(5)).
    return (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6]) & EXITING) === 0
  } catch {
    return false
  }
}
