import type { SockAddr } from '@sockman/core'
import { describe, expect } from 'vitest'
import { chat } from '../../examples/programs/chat.js'
import { listensAsProcess } from './process'
import { linesOf } from './streams'
import { everywhere, KI, stopLater, type World } from './world'

describe('examples/programs/chat.js', () => {
  /** Someone who has come in, with what is said from then on. */
  async function join(world: World, address: SockAddr) {
    const { stream } = world.dial(address)
    const next = linesOf(stream)
    expect(await next()).toMatch(/^\* #\d+ is here$/)
    return { stream, next }
  }

  everywhere('lines are told to the others, whole', async (world) => {
    const { listener } = stopLater(await chat(world.address(), world.create))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    expect(await alice.next()).toBe('* #2 is here')
    const umlaut = Buffer.from('grüße\n')
    for (const part of ['hel', 'lo\nwor', 'ld\r\n\n', umlaut.subarray(0, 3), umlaut.subarray(3)])
      alice.stream.write(part)
    expect([await bob.next(), await bob.next(), await bob.next()]).toEqual([
      '#1: hello',
      '#1: world',
      '#1: grüße',
    ])
    bob.stream.end(`${'x'.repeat(1_000)}\n\x1b[2Jy\n`)
    expect(await alice.next()).toBe(`#2: ${'x'.repeat(1_000)}`)
    expect(await alice.next()).toBe('#2: [2Jy')
    expect(await alice.next()).toBe('* now there are 1')
  })

  everywhere('a line without an end drops its member', async (world) => {
    const { listener } = stopLater(await chat(world.address(), world.create))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    alice.stream.write('x'.repeat(1_001))
    expect(await bob.next()).toBe('* now there are 1')
    await expect(alice.next().then(alice.next)).rejects.toThrow()
  })

  everywhere('who does not read is dropped, and the others go on', async (world) => {
    const { man, listener } = stopLater(await chat(world.address(true), world.create))
    const alice = await join(world, listener.address)
    const bob = await join(world, listener.address)
    const { stream: sleeper } = world.dial(listener.address)
    expect(await bob.next()).toBe('* #3 is here')
    const line = 'x'.repeat(1_000)
    let told = ''
    let most = 0
    let lines = 0
    // One line at a time, so that Bob is never behind.
    for (; !told.startsWith('*') && lines < 2_000; lines++) {
      alice.stream.write(`${line}\n`)
      told = await bob.next()
      most = Math.max(most, man.stats().queuedBytes)
    }
    if (!told.startsWith('*')) throw new Error(`after ${lines} lines nobody was dropped`)
    expect(told).toBe('* now there are 2')
    expect(most).toBeLessThanOrEqual(256 * KI + 2 * KI)
    sleeper.destroy()
  })

  listensAsProcess('examples/programs/chat.js', 'members meet at ')
})
