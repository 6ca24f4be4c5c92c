import assert from 'node:assert/strict'
import { runInNewContext } from 'node:vm'
import type { AddressInput } from '../address'
import type { Sendable } from '../bytes'
import type { SockManEvents } from '../sock-man'
import { assertBytes } from './bytes'
import type { Case } from './harness'
import { throwsCode } from './trial'

/** The same bytes in everything that holds bytes, of this realm and of another: where tests run in a vm context, as in Jest. */
const BYTES: Readonly<Record<string, Sendable>> = {
  'a Buffer': Buffer.from('abcdefgh'),
  'a Uint8Array': new Uint8Array(Buffer.from('abcdefgh')),
  'an ArrayBuffer': new Uint8Array(Buffer.from('abcdefgh')).buffer,
  'shared memory': shared('abcdefgh'),
  'a DataView': new DataView(new Uint8Array(Buffer.from('_abcdefgh_')).buffer, 1, 8),
  'wider numbers': new Uint32Array(new Uint8Array(Buffer.from('____abcdefgh____')).buffer, 4, 2),
  ...runInNewContext(`({
    'a Uint8Array of another realm': Uint8Array.from('abcdefgh', (character) => character.charCodeAt()),
    'an ArrayBuffer of another realm': Uint8Array.from('abcdefgh', (character) => character.charCodeAt()).buffer,
    'a DataView of another realm': new DataView(Uint8Array.from('abcdefgh', (c) => c.charCodeAt()).buffer),
    'wider numbers of another realm':
      new Uint16Array(Uint8Array.from('abcdefgh', (c) => c.charCodeAt()).buffer),
  })`),
}

function shared(text: string): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(text.length)
  new Uint8Array(memory).set(Buffer.from(text))
  return memory
}

/** What a library has in place of the platform's AbortController, as jsdom does. */
function foreignController(): { signal: AbortSignal; abort(): void } {
  return runInNewContext(`(() => {
    const listeners = new Set()
    const signal = {
      aborted: false,
      addEventListener: (name, listener) => listeners.add(listener),
      removeEventListener: (name, listener) => listeners.delete(listener),
    }
    const abort = () => {
      signal.aborted = true
      for (const listener of listeners) listener()
    }
    return { signal, abort }
  })()`)
}

/** What calls take, beside the plainest form of it. */
export const forms: readonly Case[] = [
  {
    title:
      'C1 an address is text, a port, an object with host and port or path, or a SockAddr of another copy',
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const connects = async (address: AddressInput): Promise<void> => {
        const count = log.accepted.length
        await log.event(man.connect(address), 'connected')
        await log.until('it to be accepted', () => log.accepted.length > count)
      }
      // On the network in memory a host has its own address, and only that.
      const [host] = trial.network.address().split(':')
      const { address } = man.listen({ host, port: 0 })
      await connects({ host, port: address.port })
      const { family, port, zone, path } = address
      await connects({ family, host: address.host, port, zone, path } as AddressInput)
      // As `address()` of a server of node:net has it.
      await connects({ address: address.host, family: 'IPv4', port } as AddressInput)
      if (host === '127.0.0.1') {
        const own = man.listen(0).address
        assert.equal(own.host, host)
        await connects(own.port)
        await connects({ port: own.port })
        await connects({ host: undefined, port: own.port })
      }
      if (!trial.supports.unixSockets) return
      const file = trial.network.address('unix').slice('unix:'.length)
      assert.equal(`${man.listen({ path: file }).address}`, `unix:${file}`)
      await connects({ path: file })
    },
  },
  {
    title: 'C2 what looks like an address and is none is refused, named, and adds nothing',
    async run(trial) {
      const { man } = trial.open()
      const wrong = [
        {},
        { host: '127.0.0.1' },
        { host: '', port: 1 },
        { host: 'localhost', port: 1 },
        { host: 1, port: 1 },
        { host: '127.0.0.1', port: '1' },
        { host: '127.0.0.1', port: 65_536 },
        { path: 1 },
        { path: '/x', host: '127.0.0.1' },
        { path: '/x', port: 80 },
        { hostname: '127.0.0.1', port: 1 },
        { host: null, port: 1 },
        { host: 'fe80::1', zone: 3, port: 1 },
        { host: '127.0.0.1', port: 1, family: 4, hints: 0 },
        { path: '', host: '', port: 0, zone: '', family: 'unix' },
        -1,
        1.5,
        65_536,
      ] as AddressInput[]
      for (const address of wrong) {
        throwsCode('ERR_INVALID_ADDRESS', () => man.listen(address))
        throwsCode('ERR_INVALID_ADDRESS', () => man.connect(address))
        throwsCode('ERR_INVALID_ADDRESS', () =>
          man.connect(trial.network.address(), { localAddress: address }),
        )
      }
      const { connections, listeners } = man.stats()
      assert.deepEqual([connections, listeners], [0, 0])
    },
  },
  {
    title: 'C1 abstract names may have NUL bytes, and are told apart by them',
    skip: ({ supports }) => (supports.abstractUnix ? undefined : 'no abstract names here'),
    async run(trial) {
      const watched = trial.open()
      const { man, log } = watched
      const name = trial.network.address('abstract')
      const names = ['', '\0', '\0\0', '\0a', '\0b'].map((end) => name + end)
      const listeners = names.map((each) => man.listen(each))
      assert.deepEqual(
        listeners.map(({ address }) => `${address}`),
        names,
      )
      for (const each of names) {
        const count = log.accepted.length
        const id = man.connect(each)
        await log.event(id, 'connected')
        await log.until('it to be accepted', () => log.accepted.length > count)
        assert.equal(`${log.life(id).them}`, each)
        assert.equal(log.life(log.accepted[count]!).listener, listeners[names.indexOf(each)])
      }
      throwsCode('ERR_INVALID_ADDRESS', () => man.listen('unix:/tmp/a\0b'))
      throwsCode('ERR_INVALID_ADDRESS', () => man.listen(`unix:@${'\0'.repeat(107)}`))
    },
  },
  {
    title: 'C54 send takes text as UTF-8, and bytes in whatever memory or view of it, also of another realm',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const text = 'text, größer 日本 \u{1f600} \ud800'
      man.send(id, text)
      // A half of a pair is no character: as with `socket.write`.
      assert.equal(`${await peer.receive(Buffer.byteLength(text))}`, text.replace('\ud800', '\ufffd'))
      for (const [what, data] of Object.entries(BYTES)) {
        for (const borrow of [false, true]) {
          man.send(id, data, { borrow })
          assert.equal(`${await peer.receive(8)}`, 'abcdefgh', what)
        }
      }
      const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer
      const shrunk = new Resizable(16, { maxByteLength: 16 })
      const beyond = new Uint8Array(shrunk, 8, 8)
      ;(shrunk as ArrayBuffer & { resize(length: number): void }).resize(4)
      throwsCode('ERR_INVALID_ARG_TYPE', () => man.send(id, beyond))
      // More than a callback gathers, and more than a kernel takes.
      const long = 'ä'.repeat(trial.network.capacity)
      man.send(id, long)
      assertBytes(await peer.receive(2 * long.length), Buffer.from(long))
    },
  },
  {
    title: 'C46 onData gives a Buffer where there is one, held for a paused connection or not',
    async run(trial) {
      const kinds: boolean[] = []
      const watched = trial.open({ onData: (_id, data) => void kinds.push(Buffer.isBuffer(data)) })
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      await peer.send(Buffer.from('one'))
      await log.receive(id, 3)
      man.pause(id)
      await peer.send(Buffer.from('two'))
      await trial.look(watched)
      man.resume(id)
      await log.receive(id, 3)
      assert.deepEqual([...new Set(kinds)], [true])
    },
  },
  {
    title: 'C30 the signal of a connect may be of another realm',
    async run(trial) {
      const { man, log } = trial.open()
      const { signal, abort } = foreignController()
      // One for both: it holds hundreds of descriptors, and select watches few.
      const silent = await trial.network.silent()
      const id = man.connect(silent, { signal })
      abort()
      assert.equal((await log.event(id, 'connectFailed')).error?.code, 'ABORT_ERR')
      const late = man.connect(silent, { signal })
      assert.equal((await log.event(late, 'connectFailed')).error?.code, 'ABORT_ERR')
    },
  },
  {
    title: 'C84 options may be undefined; a handler that is misspelt is refused, whatever else an object has',
    async run(trial) {
      const nothing = {
        events: undefined,
        noDelay: undefined,
        keepAlive: undefined,
        keepAliveInterval: undefined,
        keepAliveCount: undefined,
        userTimeout: undefined,
      }
      const watched = trial.open({}, { receiveBlock: undefined, maxConnections: undefined })
      const { man } = watched
      const { id } = await trial.inbound(watched, undefined, { ...nothing, backlog: undefined })
      man.send(id, 'x', { borrow: undefined, more: undefined })
      man.close(id, { flush: undefined, timeout: undefined, reset: undefined })
      const create = (events: object): unknown => trial.openPlain(events as SockManEvents)
      for (const wrong of ['onDate', 'onDATA', 'ondata', 'OnData', 'onEOF', 'onClose', 'onBatchend']) {
        const events = { [wrong]() {} }
        for (const call of [
          () => create(events),
          () => man.listen(trial.network.address(), { events }),
          () => man.setEvents(id, events),
        ]) {
          const { message } = throwsCode('ERR_UNKNOWN_OPTION', call)
          assert.ok(message.includes(wrong), message)
        }
      }
      class Owner {
        onData(): void {}
        onPeerReady(): void {}
        on(): void {}
      }
      create(new Owner())
      create({ onData() {}, once() {}, only: 1, onward: true, state: {} })
      throwsCode('ERR_UNKNOWN_OPTION', () =>
        create(
          new (class extends Owner {
            onEOF(): void {}
          })(),
        ),
      )
    },
  },
  {
    title: 'C84 times are in ms: a keep-alive that was meant in seconds is refused',
    async run(trial) {
      const { man } = trial.open()
      for (const option of ['keepAlive', 'keepAliveInterval']) {
        const { message } = throwsCode('ERR_OUT_OF_RANGE', () =>
          man.listen(trial.network.address(), { [option]: 60 }),
        )
        assert.match(message, /at least 1000 ms \(it was seconds before 0\.2\), not 60/)
      }
      man.listen(trial.network.address(), { keepAlive: 1500, keepAliveInterval: 32_767_000 }).close()
    },
  },
]
