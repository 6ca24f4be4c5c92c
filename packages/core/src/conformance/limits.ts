import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Child } from './children'
import { type Case, type Facts, needsDescriptors, needsProcess } from './harness'
import type { Peer } from './peers'
import { nextTurn, type Trial } from './trial'

/** Beyond the limit of every mechanism that has one. */
const BEYOND = 1100

/** C21, C22, C39, C71: descriptors that run out, that cannot be watched, that go bad; and very many of them. */
export const limits: readonly Case[] = [
  {
    title:
      'C21 out of descriptors: at most one onListenError a second, no spin, and accepting resumes by itself',
    skip: needsChild,
    async run(trial) {
      const child = trial.limitedChild(128, 'exhausted')
      const address = await child.line()
      const settled = await trial.network.connect(address)
      await echoes(settled)
      assert.equal(await child.ask('fill'), 'EMFILE')
      const waiting = await trial.network.connect(address)
      await waiting.send(Buffer.from('patience'))
      const seen = await child.ask<{ took: number; share: number; wakeups: number; errors: string[] }>(
        'measure 2500',
      )
      const { took, share, wakeups, errors } = seen
      assert.ok(share < 0.05, `${share * 100} % CPU`)
      assert.ok(wakeups <= 10, `${wakeups} wake-ups in ${took} ms`)
      assert.deepEqual([...new Set(errors)], ['EMFILE'])
      assert.ok(errors.length <= 1 + Math.ceil(took / 1000), `${errors.length} errors in ${took} ms`)
      await echoes(settled)
      await child.ask('free')
      assert.equal((await waiting.receive(8)).toString(), 'patience')
      await finish(child)
    },
  },
  {
    title: 'C22 createSockMan, with the first 1 100 descriptors taken: refused, or as if there were none',
    skip: needsManyDescriptors(2 * BEYOND),
    async run(trial) {
      const { descriptorLimit } = trial.supports
      const child = trial.child('filled-before', `${BEYOND}`)
      const { address, ...refusal } = JSON.parse(await child.line())
      if (descriptorLimit !== null) {
        assert.ok(BEYOND >= descriptorLimit)
        assert.equal(refusal.code, 'ERR_FD_NOT_SELECTABLE', refusal.message)
        assert.equal(refusal.leaked, 0)
      } else {
        await echoes(await trial.network.connect(address))
        child.socket.write('stop\n')
      }
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C22 a descriptor that cannot be watched is refused, the others are unaffected',
    skip: needsManyDescriptors(2 * BEYOND),
    async run(trial) {
      const limited = trial.supports.descriptorLimit !== null
      const child = trial.child('filled-after')
      const address = await child.line()
      const settled = await trial.network.connect(address)
      await echoes(settled)
      await child.ask(`fill ${BEYOND}`)
      await echoes(settled)

      const { leaked, ...opened } = await child.ask<{ leaked: number }>('open')
      const refused = limited ? 'ERR_FD_NOT_SELECTABLE' : 'done'
      const adopt = limited ? 'ERR_FD_NOT_SELECTABLE' : 'ENOTSOCK'
      const expected = {
        connect: refused,
        listen: refused,
        unix: refused,
        adopt,
        stillOpen: false,
        path: false,
      }
      assert.deepEqual(opened, expected)
      if (limited) assert.equal(leaked, 0)

      const begun = performance.now()
      const peers = await Promise.all(Array.from({ length: 20 }, () => trial.network.connect(address)))
      if (limited) {
        // Nothing was sent on them, so that they end without a reset.
        for (const peer of peers) assert.equal(await peer.receiveInto(() => {}), 0)
        const report = await child.ask<Report>('report')
        const most = 1 + Math.floor((performance.now() - begun) / 1000)
        assert.deepEqual(
          [report.accepted, report.connections, report.acceptErrors],
          [1, 1, 20],
          JSON.stringify(report),
        )
        assert.deepEqual([...new Set(report.errors)], ['ERR_FD_NOT_SELECTABLE'])
        assert.ok(report.errors.length <= most, `${report.errors.length} errors, at most ${most}`)
      } else {
        for (const peer of peers) await echoes(peer)
        assert.equal((await child.ask<Report>('report')).acceptErrors, 0)
      }
      await echoes(settled)

      await child.ask('empty')
      await echoes(await trial.network.connect(address))
      await finish(child)
    },
  },
  {
    title:
      'C85 while JavaScript computes and the events do not fit: sends and bounds of others go on, nothing is lost',
    skip: (facts) =>
      facts.drive === 'inline' ? 'the engine runs on the thread that computes' : needsChild(facts),
    async run(trial) {
      const size = 2 * trial.network.capacity
      const child = trial.child('busy', `${size}`)
      const address = await child.line()
      const gate = await child.ask<string>('gate')
      const noisy = await Promise.all(Array.from({ length: 32 }, () => trial.network.connect(address)))
      let noise = 0
      // As often as it takes for the events not to fit: some of the bytes may come together.
      for (let rounds = 400, full = false; !full; rounds *= 2) {
        const reader = await trial.network.connect(address)
        const flushed = await trial.network.connect(address)
        await reader.send(Buffer.from('q'))
        assert.equal(await child.line(), '"taken"')
        const { overflows } = await child.ask<{ overflows: number }>('report')
        await flushed.send(Buffer.from('f'))
        assert.equal(await child.line(), '"taken"')
        const blocked = child.ask('block')
        for (let n = 0; n < rounds; n++, noise += noisy.length) {
          await Promise.all(noisy.map((peer) => peer.send(Buffer.from('n'))))
        }
        assert.equal(await reader.receiveInto(() => {}, size), size)
        // It reads and drops what comes, until its bound. A write may be told of before this thread has polled.
        await assert.rejects(async () => {
          for (;;) {
            await flushed.send(Buffer.alloc(65_536))
            await nextTurn()
          }
        })
        const opened = await open(gate, 'r+')
        await opened.write('x')
        await blocked
        await opened.close()
        full = (await child.ask<{ overflows: number }>('report')).overflows > overflows
        reader.destroy()
      }
      // All of it arrives, and who waited is served again.
      for (const peer of noisy) await peer.end()
      for (const peer of noisy) assert.equal(await peer.receiveInto(() => {}), 0)
      assert.equal((await child.ask<{ noise: number }>('report')).noise, noise)
      await child.ask('tidy')
      await finish(child)
    },
    deadline: [60_000, 120_000],
  },
  ...['', ', but held by another process,', ', but held by another process, and dropped by its owner,'].map(
    (how): Case => ({
      title: `C39 a descriptor closed behind its back${how} neither starves the rest nor spins`,
      skip: needsChild,
      async run(trial) {
        const held = how !== ''
        const child = trial.child('bad-descriptor')
        const address = await child.line()
        const good = await trial.network.connect(address)
        await echoes(good)
        await child.ask('look')
        const bad = await trial.network.connect(address)
        await echoes(bad)
        assert.equal(await child.ask(held ? 'break held' : 'break'), 0)
        // The engine lets go of it before anything has come that would show it what happened.
        if (how.includes('dropped')) await child.ask('drop')
        // The mechanism may go on seeing what the other process holds: this is never read.
        if (held) await bad.send(Buffer.from('unread'))
        for (let n = 0; n < 10; n++) await echoes(good)
        const share = await child.ask<number>('measure 500')
        if (!held || trial.supports.foreignClose) assert.ok(share < 0.2, `${share * 100} % CPU`)
        await echoes(await trial.network.connect(address))
        await finish(child)
      },
    }),
  ),
  {
    title: 'C39 a listener closed behind its back while it does not accept: nobody hears of it until it does',
    skip: needsChild,
    async run(trial) {
      const child = trial.child('bad-listener')
      const address = await child.line()
      const good = await trial.network.connect(address)
      await echoes(good)
      assert.equal(await child.ask('break'), 1)
      for (let n = 0; n < 10; n++) await echoes(good)
      const { share, errors } = await child.ask<{ share: number; errors: string[] }>('measure 500')
      assert.ok(share < 0.2, `${share * 100} % CPU`)
      assert.deepEqual(errors, [])
      good.destroy()
      assert.equal(await child.ask('error'), 'EBADF')
      await finish(child)
    },
  },
  {
    title: 'C71 thousands of connections, as far as descriptorLimit goes',
    skip: (facts) => needsManyDescriptors(facts.full ? 11_000 : 2 * BEYOND)(facts),
    deadline: [20_000, 120_000],
    async run(trial) {
      const { descriptorLimit } = trial.supports
      const wanted = trial.size(1500, 10_000)
      const { accepted } = await crowd(trial, 'sockman', wanted)
      if (descriptorLimit === null) {
        assert.equal(accepted, wanted)
      } else {
        assert.ok(accepted < descriptorLimit, `${accepted} accepted`)
        assert.ok(accepted > descriptorLimit - 100, `${accepted} accepted`)
      }
    },
  },
  {
    title: 'C71 none of thousands of connections costs more memory than in node:net',
    skip: (facts) => needsManyDescriptors(facts.full ? 11_000 : 2 * BEYOND)(facts) ?? needsTrueMemory(facts),
    deadline: [20_000, 120_000],
    async run(trial) {
      // What a collection leaves in a heap differs by some hundred bytes a connection: the best of three counts.
      for (let attempt = 1; ; attempt++) {
        const ours = await crowd(trial, 'sockman', trial.size(1500, 10_000))
        const theirs = await crowd(trial, 'net', ours.accepted)
        assert.equal(theirs.accepted, ours.accepted)
        const each = ({ memory }: { memory: number }): number => Math.round(memory / ours.accepted)
        if (each(ours) <= each(theirs)) break
        assert.ok(attempt < 3, `${each(ours)} bytes a connection, ${each(theirs)} in node:net`)
      }
    },
  },
]

interface Report {
  accepted: number
  acceptErrors: number
  connections: number
  errors: string[]
}

/** Connects `wanted` peers to a process that keeps them; answers how many it took, and the memory they cost it, bytes. */
async function crowd(
  trial: Trial,
  kind: 'sockman' | 'net',
  wanted: number,
): Promise<{ accepted: number; memory: number }> {
  const child = trial.child('crowd', kind)
  const address = await child.line()
  const before = await child.ask<number>('measure')
  const peers: Peer[] = []
  while (peers.length < wanted) {
    const batch = Array.from({ length: Math.min(100, wanted - peers.length) }, async () => {
      const peer = await trial.network.connect(address)
      return { peer, greetings: await peer.receiveInto(() => {}, 1) }
    })
    const done = await Promise.all(batch)
    const taken = done.filter(({ greetings }) => greetings === 1)
    peers.push(...taken.map(({ peer }) => peer))
    if (taken.length < done.length) break
  }
  const memory = (await child.ask<number>('measure')) - before
  await finish(child)
  for (const peer of peers) peer.destroy()
  await Promise.all(peers.map(({ closed }) => closed))
  return { accepted: peers.length, memory }
}

/** A few bytes there and back. */
async function echoes(peer: Peer): Promise<void> {
  await peer.send(Buffer.from('echo'))
  assert.equal((await peer.receive(4)).toString(), 'echo')
}

async function finish(child: Child): Promise<void> {
  child.socket.write('stop\n')
  assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
}

function needsChild(facts: Facts): string | undefined {
  return needsDescriptors(facts) ?? needsProcess(facts)
}

/** A case that compares memory. */
function needsTrueMemory({ sanitized }: Facts): string | undefined {
  return sanitized ? 'a sanitizer adds to what the engine allocates, and nothing to node:net' : undefined
}

/** Where a process may open that many descriptors: Node raises the soft limit to the hard one. */
function needsManyDescriptors(count: number): (facts: Facts) => string | undefined {
  return (facts) => {
    const most = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
    const short =
      most < count ? `needs a hard limit of ${count} descriptors (ulimit -Hn), this is ${most}` : undefined
    return needsChild(facts) ?? short
  }
}
