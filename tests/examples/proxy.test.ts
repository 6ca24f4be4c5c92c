import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect } from 'vitest'
import { proxy } from '../../examples/programs/proxy.js'
import { listensAsProcess } from './process'
import { digest, failure, rest } from './streams'
import { abandoned, deferred, everywhere, type Peer, stopLater, watching } from './world'

describe('examples/programs/proxy.js', () => {
  everywhere('each direction has its bytes and its own end', async (world) => {
    const [question, answer] = [randomBytes(30_000), randomBytes(30_000)]
    const asked = deferred<Buffer>()
    const target = await world.serve(({ stream }) => {
      rest(stream).then((bytes) => {
        asked.resolve(bytes)
        stream.end(answer)
      }, asked.reject)
    })
    const { man, listener } = stopLater(await proxy(world.address(), target, world.create))
    const { stream } = world.dial(listener.address)
    stream.end(question)
    const answered = await rest(stream)
    expect(digest(await asked.promise)).toBe(digest(question))
    expect(digest(answered)).toBe(digest(answer))
    expect(man.stats()).toMatchObject({ accepted: 1, connected: 1, broken: 0 })
  })

  everywhere('a target that ends first goes on reading', async (world) => {
    const question = randomBytes(30_000)
    const asked = deferred<Buffer>()
    const target = await world.serve(({ stream }) => {
      stream.end('welcome')
      rest(stream).then(asked.resolve, asked.reject)
    })
    const { listener } = stopLater(await proxy(world.address(), target, world.create))
    const { stream } = world.dial(listener.address)
    expect(String(await rest(stream))).toBe('welcome')
    stream.end(question)
    expect(digest(await asked.promise)).toBe(digest(question))
  })

  everywhere('a client that does not read holds the target back', async (world) => {
    const bytes = randomBytes(world.much)
    const target = await world.serve(({ stream }) => void stream.end(bytes))
    const { create, paused } = watching(world)
    const { listener } = stopLater(await proxy(world.address(true), target, create))
    const { stream } = world.dial(listener.address)
    await paused
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })

  for (const breaker of ['client', 'target'] as const) {
    everywhere(`a reset by the ${breaker} is one for the other side`, async (world) => {
      const reached = deferred<Peer>()
      const target = await world.serve(reached.resolve)
      const { man, listener } = stopLater(await proxy(world.address(), target, world.create))
      const client = world.dial(listener.address)
      client.stream.write('a')
      const peer = await reached.promise
      await once(peer.stream, 'readable')
      peer.stream.write('b')
      await once(client.stream, 'readable')
      const [from, to] = breaker === 'client' ? [client, peer] : [peer, client]
      to.stream.resume()
      const failed = failure(to.stream)
      from.reset()
      expect(await failed).toBe('ECONNRESET')
      expect(man.connections()).toEqual([])
    })
  }

  everywhere('where the target refuses, the client is reset', async (world) => {
    const target = await abandoned(world)
    const { man, listener } = stopLater(await proxy(world.address(), target, world.create))
    const { stream } = world.dial(listener.address)
    stream.resume()
    expect(await failure(stream)).toBe('ECONNRESET')
    expect(man.connections()).toEqual([])
  })

  listensAsProcess('examples/programs/proxy.js', 'passes ')
})
