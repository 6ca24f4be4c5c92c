import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import {
  type Accepted,
  ErrorEvent,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  MSG_PEEK,
  RecvEvent,
  SendEvent,
  SHUT_RD,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_RCVBUF,
  SO_SNDBUF,
  SO_TYPE,
  SOL_SOCKET,
  type Sock,
  TCP_NODELAY,
  ThreadInterrupt,
} from '../../src'
import {
  createMemoryNetwork,
  type MemoryHost,
  type MemoryNetwork,
  type MemoryNetworkOptions,
} from '../../src/memory'

const ADDRESS = '10.0.0.1:8333'
const EAGAIN = -11
const EINPROGRESS = -115
const LF = 10
const byte = (): Uint8Array => new Uint8Array(1)
const code = (code: string) => expect.objectContaining({ name: 'SockError', code })
const codeOf = (call: () => unknown): unknown => {
  try {
    return call()
  } catch (error) {
    return (error as { code: string }).code
  }
}

interface Two {
  readonly network: MemoryNetwork
  readonly a: MemoryHost
  readonly b: MemoryHost
  readonly listener: Sock
}

/** Two hosts, one of which listens. */
function listen(options: MemoryNetworkOptions = {}): Two {
  const network = createMemoryNetwork(options)
  const [a, b] = [network.host('10.0.0.1'), network.host('10.0.0.2')]
  const listener = a.socks.create('ipv4')
  listener.bind(ADDRESS)
  listener.listen()
  return { network, a, b, listener }
}

/** A TCP connection between them; time passes while it is made. */
function connect(options: MemoryNetworkOptions = {}): Two & { client: Sock; server: Sock } {
  const two = listen(options)
  const client = two.b.socks.create('ipv4')
  expect(client.connect(ADDRESS)).toBe(EINPROGRESS)
  expect(client.waitSync(1000, SendEvent)).toBe(SendEvent)
  return { ...two, client, server: (two.listener.accept() as Accepted<Sock>).sock }
}

test('connect, accept and the names of both ends', async () => {
  const { network, b, listener } = listen({ latency: 10 })
  const client = b.socks.create('ipv4')
  expect([`${client.getSockName()}`, codeOf(() => client.getPeerName())]).toEqual(['0.0.0.0:0', 'ENOTCONN'])
  expect([client.connect(ADDRESS), listener.accept()]).toEqual([EINPROGRESS, EAGAIN])
  expect(codeOf(() => client.connect(ADDRESS))).toBe('EALREADY')
  expect([client.send(byte()), client.recv(byte())]).toEqual([EAGAIN, EAGAIN])
  const waited = client.wait(100, SendEvent)
  await network.run()
  expect([await waited, network.now()]).toEqual([SendEvent, 20])
  const { sock, them } = listener.accept() as Accepted<Sock>
  expect([`${them}`, `${sock.getPeerName()}`]).toEqual([`${client.getSockName()}`, `${client.getSockName()}`])
  expect(`${client.getPeerName()} ${sock.getSockName()}`).toBe(`${ADDRESS} ${ADDRESS}`)
  expect([client.connect(ADDRESS), codeOf(() => client.connect(ADDRESS))]).toEqual([0, 'EISCONN'])
})

test('the errors of Linux where there is no connection', () => {
  const { a, b, listener } = listen()
  const ip = b.socks.create('ipv4')
  const unix = b.socks.create('unix')
  const calls = (sock: Sock): unknown[] =>
    [
      () => sock.send(byte()),
      () => sock.recv(byte()),
      () => sock.getPeerName(),
      () => sock.accept(),
      () => sock.shutdown(SHUT_WR),
      () => sock.waitSync(0, RecvEvent | SendEvent),
    ].map(codeOf)
  const fresh = SendEvent | ErrorEvent
  expect(calls(ip)).toEqual(['EPIPE', 'ENOTCONN', 'ENOTCONN', 'EINVAL', 'ENOTCONN', fresh])
  expect(calls(unix).slice(0, 4)).toEqual(['ENOTCONN', 'EINVAL', 'ENOTCONN', 'EINVAL'])
  expect(calls(listener)).toEqual(['EPIPE', 'ENOTCONN', 'ENOTCONN', EAGAIN, 'ENOTCONN', 0])
  for (const [expected, call] of [
    ['EISCONN', () => listener.connect(ADDRESS)],
    ['EINVAL', () => listener.bind('10.0.0.1:1')],
    ['EADDRINUSE', () => a.socks.create('ipv4').bind(ADDRESS)],
    ['EADDRNOTAVAIL', () => ip.bind('10.9.9.9:0')],
    ['EAFNOSUPPORT', () => ip.bind('[::1]:0')],
    ['EAFNOSUPPORT', () => ip.connect('unix:/x')],
    ['ENETUNREACH', () => b.socks.create('ipv6').connect('[2001:db8::1]:1')],
    ['EINVAL', () => unix.listen()],
    ['EINVAL', () => unix.connect(ADDRESS)],
    ['ENOENT', () => unix.connect('unix:/nobody')],
    ['ECONNREFUSED', () => unix.connect('unix:@nobody')],
    ['EOPNOTSUPP', () => ip.send(byte(), 1)],
    ['ERR_INVALID_ARG_VALUE', () => a.socks.create('ipx' as never)],
    ['EBADF', () => a.socks.fromFd(1000)],
    ['EBADF', () => a.socks.fromFd(ip.fd)],
  ] as const) {
    expect([expected, codeOf(call)]).toEqual([expected, expected])
  }
})

test('a refused connect: told once, then the Sock can try again', () => {
  const { b } = listen()
  const sock = b.socks.create('ipv4')
  for (const read of [
    () => sock.getSockOpt(SOL_SOCKET, SO_ERROR),
    () => codeOf(() => sock.connect('10.0.0.1:1')),
    () => codeOf(() => sock.recv(byte())),
  ]) {
    expect(sock.connect('10.0.0.1:1')).toBe(EINPROGRESS)
    const all = RecvEvent | SendEvent | ErrorEvent
    expect(sock.waitSync(1000, RecvEvent | SendEvent)).toBe(all)
    expect([111, 'ECONNREFUSED']).toContain(read())
    expect(sock.getSockOpt(SOL_SOCKET, SO_ERROR)).toBe(0)
  }
  expect(sock.connect(ADDRESS)).toBe(EINPROGRESS)
  expect(sock.waitSync(1000, SendEvent)).toBe(SendEvent)
})

test('a connect that nobody answers: ETIMEDOUT after the kernel’s 127 s, and the port is free again', () => {
  const { network, b } = listen()
  const sock = b.socks.create('ipv4')
  sock.bind('10.0.0.2:1000')
  sock.connect('10.9.9.9:1')
  expect(sock.waitSync(1e6, SendEvent) & SendEvent).toBe(SendEvent)
  expect([network.now(), sock.getSockOpt(SOL_SOCKET, SO_ERROR)]).toEqual([127_000, 110])
  b.socks.create('ipv4').bind('10.0.0.2:1000')
})

test('bind reserves the name, listen opens it, close frees it', () => {
  const { a, b } = listen()
  const bound = a.socks.create('ipv4')
  bound.bind('10.0.0.1:0')
  const { port } = bound.getSockName()
  expect(port).toBeGreaterThan(32767)
  const early = b.socks.create('ipv4')
  early.connect(`10.0.0.1:${port}`)
  early.waitSync(1000, SendEvent)
  expect(early.getSockOpt(SOL_SOCKET, SO_ERROR)).toBe(111)
  expect(codeOf(() => a.createSockMan({}).listen(`10.0.0.1:${port}`))).toBe('EADDRINUSE')
  bound.listen()
  early.connect(`10.0.0.1:${port}`)
  expect(early.waitSync(1000, SendEvent)).toBe(SendEvent)
  bound.close()
  // What waited in its queue is reset.
  expect(early.waitSync(1000, RecvEvent) & ErrorEvent).toBe(ErrorEvent)
  expect(codeOf(() => early.recv(byte()))).toBe('ECONNRESET')
  a.socks.create('ipv4').bind(`10.0.0.1:${port}`)
  const any = a.socks.create('ipv6')
  any.listen()
  expect(any.getSockName().host).toBe('::')
})

test('a Unix Sock connects at once, and its path stays behind', () => {
  const { a } = listen()
  const listener = a.socks.create('unix')
  listener.bind('unix:/run/x')
  expect(codeOf(() => a.socks.create('unix').connect('unix:/run/x'))).toBe('ECONNREFUSED')
  listener.listen(0)
  const [one, two, three] = [1, 2, 3].map(() => a.socks.create('unix')) as [Sock, Sock, Sock]
  two.bind('unix:@two')
  expect([one.connect('unix:/run/x'), two.connect('unix:/run/x')]).toEqual([0, EAGAIN])
  const first = listener.accept() as Accepted<Sock>
  expect(`${first.them} ${first.sock.getSockName()}`).toBe('unix: unix:/run/x')
  expect([two.connect('unix:/run/x'), three.connect('unix:/run/x')]).toEqual([0, EAGAIN])
  expect(`${(listener.accept() as Accepted<Sock>).them}`).toBe('unix:@two')
  first.sock.shutdown(SHUT_RD)
  expect(codeOf(() => one.send(byte()))).toBe('EPIPE')
  listener.close()
  expect([...a.files]).toEqual(['/run/x'])
  expect(codeOf(() => a.socks.create('unix').bind('unix:/run/x'))).toBe('EADDRINUSE')
  expect(codeOf(() => a.socks.create('unix').bind('unix:@two'))).toBe('EADDRINUSE')
  two.close()
  a.socks.create('unix').bind('unix:@two')
})

test('options: the few there are, ENOPROTOOPT for the rest', () => {
  const { client, server, listener, network } = connect({ sendBuffer: 1000, receiveBuffer: 2000 })
  const get = (name: number, sock = client): number => sock.getSockOpt(SOL_SOCKET, name)
  expect([get(SO_TYPE), get(SO_ERROR), get(SO_SNDBUF), get(SO_RCVBUF)]).toEqual([1, 0, 1000, 2000])
  expect([get(SO_ACCEPTCONN), get(SO_ACCEPTCONN, listener)]).toEqual([0, 1])
  expect(client.getSockOpt(IPPROTO_TCP, TCP_NODELAY)).toBe(1)
  client.setSockOpt(SOL_SOCKET, SO_KEEPALIVE, 7)
  expect(get(SO_KEEPALIVE)).toBe(1)
  for (const call of [
    () => get(9999),
    () => client.setSockOpt(SOL_SOCKET, SO_SNDBUF, 1),
    () => client.setSockOpt(IPPROTO_IPV6, IPV6_V6ONLY, true),
  ])
    expect(['ENOPROTOOPT', 'EINVAL']).toContain(codeOf(call))
  client.setSockOpt(SOL_SOCKET, SO_LINGER, new Uint8Array(Int32Array.of(1, 0).buffer))
  const linger = new Int32Array(2)
  expect(client.getSockOpt(SOL_SOCKET, SO_LINGER, new Uint8Array(linger.buffer))).toBe(8)
  expect([...linger]).toEqual([1, 0])
  client.close()
  expect(server.waitSync(1000, RecvEvent) & ErrorEvent).toBe(ErrorEvent)
  expect([get(SO_ERROR, server), get(SO_ERROR, server), server.recv(byte())]).toEqual([104, 0, 0])
  expect(network.trace().map(({ kind }) => kind)).toContain('rst')
})

test('half-close, and the end of both', () => {
  const { client, server } = connect()
  client.send(Uint8Array.of(1))
  client.shutdown(SHUT_WR)
  expect(codeOf(() => client.send(byte()))).toBe('EPIPE')
  while (server.recv(byte()) !== 0) server.waitSync(1000, RecvEvent)
  server.send(Uint8Array.of(2))
  expect(client.waitSync(1000, RecvEvent)).toBe(RecvEvent)
  expect(client.recv(byte())).toBe(1)
  server.close()
  expect(client.waitSync(1000, 0)).toBe(ErrorEvent)
  expect(client.recv(byte())).toBe(0)
})

test('virtual time: a wait ends when the clock moves, but for what is so already', async () => {
  const { network, client, server } = connect({ latency: 100 })
  expect(await client.wait(Number.POSITIVE_INFINITY, SendEvent)).toBe(SendEvent)
  expect(await client.wait(0, RecvEvent)).toBe(0)
  const events: number[] = []
  const waited = server.wait(1e6, RecvEvent).then((occurred) => events.push(occurred))
  client.send(Uint8Array.of(1))
  await new Promise((resolve) => setTimeout(resolve, 5))
  await network.advance(99)
  expect(events).toEqual([])
  await network.advance(1)
  await waited
  expect(events).toEqual([RecvEvent])
  const late = client.wait(500, RecvEvent)
  const closed = client.wait(Number.POSITIVE_INFINITY, RecvEvent)
  await network.advance(500)
  expect(await late).toBe(0)
  client.close()
  expect(await closed).toBe(ErrorEvent)
})

test('a …Sync wait moves the network and nothing of the program', async () => {
  const { network, a, b, client, server } = connect({ latency: 10 })
  const order: string[] = []
  network.setTimeout(() => order.push(`timer at ${network.now()}`), 5)
  const man = a.createSockMan({ onAccepted: () => void order.push('accepted') })
  man.listen('10.0.0.1:1')
  b.createSockMan({}).connect('10.0.0.1:1')
  const begun = network.now()
  client.send(Uint8Array.of(1))
  expect([server.waitSync(1000, RecvEvent), network.now() - begun]).toEqual([RecvEvent, 10])
  expect([client.waitSync(200, RecvEvent), network.now() - begun, order]).toEqual([0, 210, []])
  await network.advance(0)
  expect(order).toEqual([`timer at ${begun + 210}`, 'accepted'])
  client.sendCompleteSync(new Uint8Array(3000).fill(7))
  client.sendCompleteSync('\n')
  expect(server.recvUntilTerminatorSync(LF)).toHaveLength(3001)
})

test('a …Sync wait that nothing can end says so, also when a handler of this thread could', () => {
  const { network, client, server } = connect()
  const forever = Number.POSITIVE_INFINITY
  expect(() => client.waitSync(forever, RecvEvent)).toThrow(code('ERR_SOCK_DEADLOCK'))
  network.setTimeout(() => server.send(Uint8Array.of(1)), 10)
  expect(() => client.waitSync(forever, RecvEvent)).toThrow(code('ERR_SOCK_DEADLOCK'))
  expect(client.waitSync(50, RecvEvent)).toBe(0)
})

test('a clock that is moved forward meanwhile does not go back', async () => {
  const { network, client } = connect()
  const at = network.now()
  network.setTimeout(() => void client.waitSync(500, RecvEvent), 10)
  await network.advance(20)
  expect(network.now()).toBe(at + 510)
})

test('real time: a …Sync wait takes it, and an interrupt ends it', () => {
  const { client, server } = connect({ clock: 'real', latency: 2 })
  const begun = performance.now()
  expect(client.waitSync(20, RecvEvent)).toBe(0)
  expect(performance.now() - begun).toBeGreaterThan(19)
  server.send(Uint8Array.of(1))
  expect(client.waitSync(10_000, RecvEvent)).toBe(RecvEvent)
  client.recv(byte())
  expect(performance.now() - begun).toBeLessThan(5000)
  expect(() => client.waitSync(Number.POSITIVE_INFINITY, RecvEvent)).toThrow(code('ERR_SOCK_DEADLOCK'))
  const signal = new ThreadInterrupt()
  signal.interrupt()
  expect(() => client.waitSync(10_000, RecvEvent, { signal })).toThrow(code('ABORT_ERR'))
})

test('real time: another thread’s interrupt ends a …Sync wait', async () => {
  const { client } = connect({ clock: 'real' })
  const signal = new ThreadInterrupt()
  const core = new URL('../../dist/index.js', import.meta.url).href
  const code = `
    const { workerData } = require('node:worker_threads')
    import(${JSON.stringify(core)}).then(({ ThreadInterrupt }) => new ThreadInterrupt(workerData).interrupt())`
  const worker = new Worker(code, { eval: true, workerData: signal.share() })
  expect(codeOf(() => client.waitSync(60_000, RecvEvent, { signal }))).toBe('ABORT_ERR')
  await once(worker, 'exit')
})

/** Lines from client to server, and what the trace says. */
async function lines(seed: number, options: MemoryNetworkOptions = {}): Promise<string> {
  const { network, client, server } = connect({ seed, clock: 'auto', sendBuffer: 700, ...options })
  const sent = ['', 'a', 'b'.repeat(511), 'c'.repeat(512), 'd'.repeat(5000), 'end']
  const sending = client.sendComplete(sent.map((line) => `${line}\n`).join(''))
  const received: string[] = []
  for (const _ of sent) received.push(await server.recvUntilTerminator(LF, { encoding: 'utf8' }))
  await sending
  expect(received).toEqual(sent)
  return network.report(1000)
}

test('the algorithms over 200 seeds, byte by byte too; the same seed is the same run', async () => {
  for (let seed = 1; seed <= 200; seed++) await lines(seed, seed % 10 === 0 ? { chunk: 1 } : {})
  expect(await lines(7)).toBe(await lines(7))
  expect(await lines(7)).not.toBe(await lines(8))
})

test('what a peek has shown, the next receive gives', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const { client, server } = connect({ seed })
    client.sendCompleteSync(new Uint8Array(100))
    server.waitSync(1000, RecvEvent)
    const buffer = new Uint8Array(100)
    let shown = 0
    for (let n = 0; n < 5; n++) {
      const count = server.recv(buffer, MSG_PEEK)
      expect(count).toBeGreaterThanOrEqual(shown)
      shown = count
    }
    expect(server.recv(buffer)).toBeGreaterThanOrEqual(shown)
  }
})

/** A Sock with unread bytes goes to a SockMan; the other end stays one. */
async function adopted(seed: number): Promise<string> {
  const { network, a, client, server } = connect({ seed, clock: 'auto' })
  const chunks: Uint8Array[] = []
  let eof = (): void => {}
  const ended = new Promise<void>((resolve) => {
    eof = resolve
  })
  const man = a.createSockMan({
    onData: (id, data) => {
      chunks.push(new Uint8Array(data))
      man.send(id, data)
    },
    onEof: (id) => {
      man.close(id)
      eof()
    },
  })
  await client.sendComplete('hello\nunread')
  expect(await server.recvUntilTerminator(LF, { encoding: 'utf8' })).toBe('hello')
  const { fd } = server
  man.adopt(server)
  expect([server.empty, server.fd]).toEqual([true, -1])
  expect(() => server.recv(byte())).toThrow(code('ERR_SOCK_EMPTY'))
  // Its number names nothing any more.
  expect(() => man.adopt({ release: () => fd })).toThrow(code('ENOTSOCK'))
  await client.sendComplete(' and later\n')
  expect(await client.recvUntilTerminator(LF, { encoding: 'utf8' })).toBe('unread and later')
  client.close()
  await ended
  expect(Buffer.concat(chunks).toString()).toBe('unread and later\n')
  return network.report(1000)
}

test('adopt: unread bytes come first, the Sock is empty, and a seed replays', async () => {
  for (let seed = 1; seed <= 100; seed++) await adopted(seed)
  expect(await adopted(3)).toBe(await adopted(3))
})

test('adoptListener: what waits in the queue is accepted', async () => {
  const { network, a, b, listener } = listen()
  const client = b.socks.create('ipv4')
  client.connect(ADDRESS)
  client.waitSync(1000, SendEvent)
  const accepted: string[] = []
  const man = a.createSockMan({ onAccepted: (_, me, them) => void accepted.push(`${them} > ${me}`) })
  expect(`${man.adoptListener(listener).address}`).toBe(ADDRESS)
  expect(listener.empty).toBe(true)
  await network.run()
  expect(accepted).toEqual([`${client.getSockName()} > ${ADDRESS}`])
})

test('adopt refuses what is not connected, adoptListener what does not listen, and closes it', () => {
  const { a, b, listener } = listen()
  const connecting = b.socks.create('ipv4')
  connecting.connect(ADDRESS)
  const bound = a.socks.create('ipv4')
  bound.bind('10.0.0.1:9')
  const man = a.createSockMan({})
  for (const sock of [a.socks.create('ipv4'), bound, listener]) {
    expect(codeOf(() => man.adopt(sock))).toBe('ENOTCONN')
    expect(sock.empty).toBe(true)
  }
  expect(codeOf(() => b.createSockMan({}).adopt(connecting))).toBe('ENOTCONN')
  a.socks.create('ipv4').bind('10.0.0.1:9')
  a.socks.create('ipv4').bind(ADDRESS)
  const [one, two] = a.socks.pair()
  expect(codeOf(() => man.adoptListener(one))).toBe('EINVAL')
  expect(two.recv(byte())).toBe(0)
  const [foreign, left] = b.socks.pair()
  expect(codeOf(() => man.adopt(foreign))).toBe('ENOTSOCK')
  expect(left.recv(byte())).toBe(0)
})

test('an adopted Sock whose sending side has ended fails with EPIPE when something is sent', async () => {
  const { network, a, server } = connect()
  server.shutdown(SHUT_WR)
  const errors: string[] = []
  const man = a.createSockMan({ onError: (_, { code }) => void errors.push(code) })
  man.send(man.adopt(server), Uint8Array.of(1))
  await network.run()
  expect(errors).toEqual(['EPIPE'])
})
