import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, expect, test, vi } from 'vitest'
import { type ConnectionId, Handlers, ReadHandlers, SockAddr, SockError, type SockManEvents } from '../src'
import { asyncScope, isEmptyContext, isSameContext } from '../src/async-scope'

const storage = new AsyncLocalStorage<unknown>()
const other = new AsyncLocalStorage<unknown>()
const id = 1 as ConnectionId

afterEach(() => {
  storage.disable()
  other.disable()
})

test('a scope runs a function in its context, with this and the arguments, and leaves it again', () => {
  const scope = storage.run('then', asyncScope)!
  const self = { name: 'self' }
  function run(this: unknown, a: number, b: number): unknown[] {
    return [storage.getStore(), this, a, b]
  }
  expect(storage.run('now', () => [scope.runInAsyncScope(run, self, 1, 2), storage.getStore()])).toEqual([
    ['then', self, 1, 2],
    'now',
  ])
  const thrown = (): never => {
    throw new Error('thrown')
  }
  expect(() => scope.runInAsyncScope(thrown, undefined)).toThrow('thrown')
  expect(storage.getStore()).toBe(undefined)
})

test('without a storage, and outside of all of them, contexts are the same', () => {
  const before = asyncScope()
  expect(isSameContext(before, asyncScope())).toBe(true)
  storage.run('used', () => {})
  expect(isSameContext(before, asyncScope())).toBe(true)
  expect(isSameContext(undefined, undefined)).toBe(true)
  expect(isSameContext(before, undefined)).toBe(false)
  expect(isEmptyContext(before!)).toBe(true)
})

test('contexts are told apart by every storage', () => {
  const outside = asyncScope()
  storage.run(Number.NaN, () => {
    const inside = asyncScope()
    expect(isSameContext(inside, asyncScope())).toBe(true)
    expect(isEmptyContext(inside!)).toBe(false)
    expect(isSameContext(inside, outside)).toBe(false)
    other.run('more', () => {
      expect(isSameContext(inside, asyncScope())).toBe(false)
      expect(isSameContext(asyncScope(), asyncScope())).toBe(true)
    })
    storage.run('another', () => expect(isSameContext(inside, asyncScope())).toBe(false))
  })
})

test('a runtime that hides its contexts, and a Node to come that does, has none that are known to be the same', () => {
  class Hidden {}
  const [one, two] = [new Hidden(), new Hidden()] as never[]
  for (const versions of [
    { node: '20.0.0', bun: '1.4.5' },
    { node: '22.0.0', deno: '2.9.5' },
    { node: '30.0.0' },
  ]) {
    const replaced = vi.spyOn(process, 'versions', 'get').mockReturnValue(versions as never)
    expect(isSameContext(one, two)).toBe(false)
    expect(isEmptyContext(one!)).toBe(false)
    replaced.mockRestore()
  }
})

test('handlers have a scope of their own only in another context, and are read once', () => {
  const read: string[] = []
  const events: SockManEvents = {
    get onData() {
      read.push('onData')
      return () => void read.push(`data in ${storage.getStore()}`)
    },
  }
  storage.run('creation', () => {
    const handlers = new Handlers(events)
    expect(handlers.or(undefined)).toBe(handlers)
    const own = handlers.or(
      new ReadHandlers({ onData: () => void read.push(`own in ${storage.getStore()}`) }),
    )
    const scoped = storage.run('call', () => handlers.or(undefined))
    scoped.data(id, Buffer.alloc(1))
    own.data(id, Buffer.alloc(1))
    storage.run('elsewhere', () => handlers.runBatch(() => handlers.data(id, Buffer.alloc(1)), undefined, 1))
  })
  expect(read).toEqual(['onData', 'data in call', 'own in creation', 'data in creation'])
})

test('every handler is called in its scope, with this = its object, and answers', () => {
  const calls: unknown[][] = []
  const names = [
    'Accepted',
    'Connected',
    'ConnectFailed',
    'Data',
    'Eof',
    'Error',
    'ReadyToSend',
    'ListenError',
    'Closed',
  ]
  const events: Record<string, unknown> = {}
  for (const name of names) {
    events[`on${name}`] = function (this: unknown, ...args: unknown[]) {
      calls.push([name, storage.getStore(), this === events, ...args])
      return false
    }
  }
  const scoped = storage.run(
    'call',
    (handlers) => handlers.or(new ReadHandlers(events as SockManEvents)),
    new Handlers({}),
  )
  const me = SockAddr.parse('127.0.0.1:1')
  const error = SockError.fromErrno(-104, 'recv')
  const data = Buffer.alloc(1)
  const listener = { id: 1, address: me, close: () => {} }
  expect(scoped.accepted(id, me, me, listener)).toBe(false)
  scoped.connected(id, me, me)
  scoped.connectFailed(id, error)
  scoped.data(id, data)
  expect([scoped.eof(id), scoped.error(id, error)]).toEqual([true, true])
  scoped.readyToSend(id)
  scoped.listenError(listener, error)
  scoped.closed(id, 7)
  const given = [
    [id, me, me, listener],
    [id, me, me],
    [id, error],
    [id, data],
    [id],
    [id, error],
    [id],
    [listener, error],
    [id, 7],
  ]
  expect(calls).toEqual(names.map((name, n) => [name, 'call', true, ...given[n]!]))
})
