import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Backend, SockAddr, SockError, unavailableError } from '@sockman/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CreateOptions, candidates, createSockMan } from '../src'

/** Works wherever this project does. */
const SURE = 'poll'

beforeEach(() => void vi.stubEnv('SOCKMAN_BACKEND', undefined))
afterEach(() => void vi.unstubAllEnvs())

/** The selection of what comes of the options. */
async function select(options?: CreateOptions) {
  await using man = await createSockMan({}, options)
  return man.selection
}

async function failure(options: object | null): Promise<SockError> {
  const result = await createSockMan({}, options as CreateOptions).catch((error: SockError) => error)
  expect(result).toBeInstanceOf(Error)
  return result as SockError
}

async function load(name: string): Promise<Backend> {
  return (await candidates.find((candidate) => candidate.name === name)!.load()) as Backend
}

/** Those that are installed, built and allowed here, in the order of `auto`. */
async function working(): Promise<Backend[]> {
  const loaded = await Promise.all(candidates.map((candidate) => candidate.load()))
  return loaded.filter((each) => 'probe' in each && each.probe().available) as Backend[]
}

test('without options: the first that works, and a word on each other', async () => {
  const [best] = await working()
  const { backend, drive, rejected } = await select()
  expect([backend, drive]).toEqual([best!.name, best!.supports.drives[0]])
  const others = candidates.filter(({ name }) => name !== backend).map(({ name }) => name)
  expect(rejected.map((each) => each.backend)).toEqual(others)
  for (const { reason, message } of rejected) expect([reason, message]).not.toContain('')
})

test('a named row: engine, drive and settings', async () => {
  const { backend, drive, row } = await select({ backend: `${SURE}:thread:receivePool=8M:batchLimit=7` })
  expect([backend, drive]).toEqual([SURE, 'thread'])
  expect(row).toBe(`${SURE}:thread:receivePool=8388608:batchLimit=7`)
})

test('options beside the row reach the engine too', async () => {
  const { row } = await select({ backend: SURE, receivePool: 1 << 20 })
  expect(row).toBe(`${SURE}:thread:receivePool=1048576`)
})

test('an engine that its probe passes and that cannot be created: auto goes on, a name does not', async () => {
  const [best, next] = await working()
  const why = { reason: 'ENOMEM', message: 'too large a ring', remedy: 'raise it' }
  const refuse = (error: SockError) =>
    vi.spyOn(best!, 'createSockMan').mockImplementation(() => {
      throw error
    })
  try {
    const spy = refuse(unavailableError(best!.name, why))
    const { backend, rejected } = await select()
    expect(backend).toBe(next!.name)
    const rejection = rejected.find((each) => each.backend === best!.name)!
    expect(rejection).toMatchObject({
      reason: 'ENOMEM',
      message: expect.stringContaining('too large a ring'),
    })
    expect(rejection.remedy).toContain('raise it')
    expect(spy).toHaveBeenCalledTimes(1)
    expect(await failure({ backend: best!.name })).toMatchObject({ backend: best!.name, reason: 'ENOMEM' })
    const shortage = new SockError('short', { code: 'EMFILE' })
    refuse(shortage)
    expect(await failure({})).toBe(shortage)
  } finally {
    vi.restoreAllMocks()
  }
})

test('it carries bytes', async () => {
  await using man = await createSockMan(
    {
      onData: (id, data) => void man.send(id, data),
      onConnected: (id) => void man.send(id, Buffer.from('ping')),
    },
    { backend: SURE },
  )
  const { address } = man.listen('127.0.0.1:0')
  expect(address).toBeInstanceOf(SockAddr)
  const echoed = await new Promise<string>((resolve) => {
    man.connect(address, {
      events: {
        onConnected: (id) => void man.send(id, Buffer.from('ping')),
        onData: (_, data) => resolve(Buffer.from(data).toString()),
      },
    })
  })
  expect(echoed).toBe('ping')
})

test('callbacks run in the async context of the call', async () => {
  const context = new AsyncLocalStorage<string>()
  const heard = await context.run('mine', async () => {
    let onConnectFailed = (): void => {}
    const failed = new Promise<string | undefined>((resolve) => {
      onConnectFailed = () => resolve(context.getStore())
    })
    await using man = await createSockMan({ onConnectFailed }, { backend: SURE })
    man.connect('127.0.0.1:1')
    return await failed
  })
  expect(heard).toBe('mine')
})

test('the environment names what no option does', async () => {
  vi.stubEnv('SOCKMAN_BACKEND', `${SURE}:receivePool=8M`)
  expect((await select()).row).toBe(`${SURE}:thread:receivePool=8388608`)
  // It overrules a program's settings, but not a program that names its engine.
  expect((await select({ receivePool: 1 << 20 })).row).toBe(`${SURE}:thread:receivePool=8388608`)
  expect((await select({ backend: `${SURE}:batchLimit=7` })).row).toBe(`${SURE}:thread:batchLimit=7`)
  const [best] = await working()
  expect((await select({ ignoreEnv: true })).row).toBe(`${best!.name}:${best!.supports.drives[0]}`)
  vi.stubEnv('SOCKMAN_BACKEND', '')
  expect((await select()).backend).toBe(best!.name)
  vi.stubEnv('SOCKMAN_BACKEND', 'auto:thread')
  expect((await select()).drive).toBe('thread')
})

test.each([
  ['nope', 'ERR_BACKEND_UNAVAILABLE', 'ERR_UNKNOWN_BACKEND'],
  [`${SURE}:inline`, 'ERR_BACKEND_UNAVAILABLE', 'ERR_UNSUPPORTED_DRIVE'],
  [`${SURE}:fast`, 'ERR_INVALID_ARG_VALUE', undefined],
  [`${SURE}:receivePool=much`, 'ERR_INVALID_ARG_VALUE', undefined],
  [`${SURE}:receivePol=8M`, 'ERR_UNKNOWN_OPTION', undefined],
  [`${SURE}:batchLimit=0`, 'ERR_OUT_OF_RANGE', undefined],
])('%s is refused with %s, from the option and from the environment', async (row, code, reason) => {
  const named = await failure({ backend: row })
  expect([named.code, named.reason]).toEqual([code, reason])
  vi.stubEnv('SOCKMAN_BACKEND', row)
  const told = await failure({})
  expect([told.code, told.reason, told.remedy]).toEqual([code, reason, named.remedy])
  expect(told.message).toBe(`SOCKMAN_BACKEND: ${named.message}`)
})

test('what is not installed is an error that says how to install it', async () => {
  const loaded = await Promise.all(candidates.map(async ({ name, load }) => ({ name, found: await load() })))
  for (const { name, found } of loaded) {
    if ('probe' in found) continue
    const error = await failure({ backend: name })
    expect(error).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: name,
      reason: 'ERR_NOT_INSTALLED',
    })
    expect(error.remedy).toMatch(
      new RegExp(`^npm install @sockman/backend-${name}; or choose ${(await working())[0]!.name},`),
    )
  }
})

test('require and drive filter auto, and hold for a name', async () => {
  const { supports } = await load(SURE)
  expect(supports.multishot).toBe(false)
  const error = await failure({ backend: SURE, require: { multishot: true } })
  expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason: 'ERR_MISSING_CAPABILITY' })
  const able = (await working()).find((backend) => backend.supports.multishot)
  if (able) expect((await select({ require: { multishot: true } })).backend).toBe(able.name)
  expect((await select({ require: { descriptorLimit: 5000, unixSockets: true } })).backend).toBeTruthy()
  expect((await select({ drive: 'thread' })).drive).toBe('thread')
})

test.each([
  [{ backend: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [{ ignoreEnv: 'no' }, 'ERR_INVALID_ARG_TYPE'],
  [{ require: null }, 'ERR_INVALID_ARG_TYPE'],
  [{ backend: `${SURE}:thread`, drive: 'inline' }, 'ERR_INVALID_ARG_VALUE'],
  [{ backend: `${SURE}:receivePool=8M`, receivePool: 1 << 20 }, 'ERR_INVALID_ARG_VALUE'],
  [{ backend: SURE, receivePol: 1 }, 'ERR_UNKNOWN_OPTION'],
  [{ drive: 'fast' }, 'ERR_INVALID_ARG_VALUE'],
  [{ require: { speed: 9 } }, 'ERR_UNKNOWN_OPTION'],
])('%j: %s', async (options, code) => {
  expect((await failure(options)).code).toBe(code)
})

test('events are checked', async () => {
  await expect(createSockMan({ onData: 1 } as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  await expect(createSockMan(undefined as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
})

test('the report is published', async () => {
  const heard: unknown[] = []
  const listen = (message: unknown) => void heard.push(message)
  subscribe('sockman:selection', listen)
  const selection = await select({ backend: SURE })
  unsubscribe('sockman:selection', listen)
  expect(heard).toEqual([selection])
  expect(heard[0]).toBe(selection)
})
