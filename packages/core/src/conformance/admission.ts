import assert from 'node:assert/strict'
import { BlockList } from 'node:net'
import type { AddressList } from '../options'
import { type Case, needsProcess } from './harness'

/** A list that notes what it is asked. */
function noting(answer: (address: string) => boolean): AddressList & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    check(address, family) {
      asked.push(`${family} ${address}`)
      return answer(address)
    },
  }
}

/** C90: who may connect. */
export const admission: readonly Case[] = [
  {
    title:
      'C90 allowList and blockList: who is not let in is closed before a byte is read, and nobody is told',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const here = trial.network.address()
      const [host] = here.split(':') as [string]
      const lists: [options: object, admitted: boolean][] = [
        [{}, true],
        [{ allowList: noting((address) => address === host) }, true],
        [{ allowList: noting((address) => address !== host) }, false],
        [{ blockList: noting((address) => address === host) }, false],
        [{ blockList: noting((address) => address !== host) }, true],
        // Blocked, though allowed.
        [{ allowList: noting(() => true), blockList: noting(() => true) }, false],
      ]
      for (const [options, admitted] of lists) {
        const listener = man.listen(here, options)
        const { accepted, refused } = man.stats()
        const peer = await trial.network.connect(`${listener.address}`)
        if (admitted) {
          await log.until('it to be accepted', () => log.accepted.length === accepted + 1)
          man.send(log.accepted.at(-1)!, 'x')
          await peer.receive(1)
        } else {
          // Its end, or a reset where it had said something.
          await peer.receiveInto(() => {}).catch(() => {})
        }
        const after = man.stats()
        assert.deepEqual(
          [after.accepted - accepted, after.refused - refused],
          admitted ? [1, 0] : [0, 1],
          JSON.stringify(options),
        )
        peer.destroy()
        listener.close()
      }
      assert.equal(log.accepted.length, 3)
      // With no more of them than there were: each has given its place back.
      for (const id of man.connections()) man.close(id)
    },
  },
  {
    title: 'C90 a BlockList of net, by subnet; IPv4 that came in by IPv6 is asked for as IPv4',
    skip: ({ network }) => (network().families.includes('ipv6') ? undefined : 'this network has no IPv6'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const blockList = new BlockList()
      blockList.addSubnet('127.0.0.0', 8)
      const { address } = man.listen('[::]:0', { ipv6Only: false, blockList })
      const refused = await trial.network.connect(`127.0.0.1:${address.port}`)
      await refused.receiveInto(() => {}).catch(() => {})
      assert.equal(log.accepted.length, 0)
      await trial.network.connect(`[::1]:${address.port}`)
      await log.until('it to be accepted', () => log.accepted.length === 1)
      const list = noting(() => false)
      const other = man.listen('[::]:0', { ipv6Only: false, blockList: list })
      await trial.network.connect(`127.0.0.1:${other.address.port}`)
      await log.until('it to be accepted', () => log.accepted.length === 2)
      await trial.network.connect(`[::1]:${other.address.port}`)
      await log.until('it to be accepted', () => log.accepted.length === 3)
      assert.deepEqual(list.asked, ['ipv4 127.0.0.1', 'ipv6 ::1'])
    },
  },
  {
    title: 'C90 where a list throws, the peer is not let in, and the exception is an uncaught one',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('list-throws')
      assert.equal(await child.line(), '1 uncaught, 1 accepted, 1 refused')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C90 an answer that is no boolean, such as a promise, lets nobody in',
    skip: needsProcess,
    async run(trial) {
      const child = trial.child('list-promises')
      assert.equal(await child.line(), '2 ERR_INVALID_ARG_TYPE, 0 accepted, 2 refused')
      assert.deepEqual(await child.end, { code: 0, signal: null, stderr: '' })
    },
  },
  {
    title: 'C90 a list that stops the SockMan, or closes the listener, leaves nothing open',
    async run(trial) {
      for (const how of ['stop', 'close']) {
        const watched = trial.open()
        const { man } = watched
        let stopped: Promise<void> | undefined
        const listener = man.listen(trial.network.address(), {
          blockList: noting(() => {
            if (how === 'stop') stopped = man.stop()
            else listener.close()
            return true
          }),
        })
        const peer = await trial.network.connect(`${listener.address}`)
        await peer.receiveInto(() => {}).catch(() => {})
        await (stopped ?? man.stop())
        assert.equal(man.stats().connections, 0)
      }
    },
  },
]
