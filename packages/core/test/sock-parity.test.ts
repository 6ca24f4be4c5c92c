import { expect, test } from 'vitest'
import { RecvEvent } from '../src'
import { DynSock, MockClock } from '../src/mock'
import { TableHost, TableSock } from './table-host'

// A counterpart of each case of Bitcoin Core's src/test/sock_tests.cpp, under its name, on mocks; descriptors are those
// of a table that counts them.

test('sock_tests constructor_and_destructor', () => {
  const host = new TableHost()
  const fd = host.take()
  {
    using sock = new TableSock(host, fd)
    expect([sock.fd, host.open.has(fd)]).toEqual([fd, true])
  }
  expect([host.open.has(fd), host.mistakes]).toEqual([false, []])
})

test('sock_tests move_constructor', () => {
  const host = new TableHost()
  const fd = host.take()
  const moved = new TableSock(host, fd)
  const owner = new TableSock(host, moved.release())
  moved.close()
  expect([moved.empty, owner.fd, host.open.has(fd)]).toEqual([true, fd, true])
  owner.close()
  expect([host.open.has(fd), host.mistakes]).toEqual([false, []])
})

test('sock_tests move_assignment', () => {
  const host = new TableHost()
  const [fd1, fd2] = [host.take(), host.take()]
  const [sock1, sock2] = [new TableSock(host, fd1), new TableSock(host, fd2)]
  sock2.assignFrom(sock1)
  sock1.close()
  expect([host.open.has(fd1), host.open.has(fd2), sock2.fd]).toEqual([true, false, fd1])
  sock2.close()
  expect([host.open.size, host.mistakes]).toEqual([0, []])
})

test('sock_tests send_and_receive', () => {
  const clock = new MockClock()
  const [sender, receiver] = DynSock.pair(clock)
  const message = new TextEncoder().encode('abcd')
  const sendAndReceive = (from: DynSock, to: DynSock): void => {
    const buffer = new Uint8Array(16)
    expect(from.send(message)).toBe(4)
    expect([to.recv(buffer), buffer.subarray(0, 4)]).toEqual([4, message])
  }
  sendAndReceive(sender, receiver)
  const [sender2, receiver2] = [new DynSock({ clock }), new DynSock({ clock })]
  sender2.assignFrom(sender)
  receiver2.assignFrom(receiver)
  sender.close()
  receiver.close()
  sendAndReceive(sender2, receiver2)
  sendAndReceive(receiver2, sender2)
})

test('sock_tests wait', async () => {
  const clock = new MockClock({ jumps: false })
  const [sock0, sock1] = DynSock.pair(clock)
  const waiter = sock0.wait(24 * 60 * 60 * 1000, RecvEvent)
  expect(sock1.send(Uint8Array.of(0x61))).toBe(1)
  expect([await waiter, clock.now()]).toEqual([RecvEvent, 0])
})

test('sock_tests recv_until_terminator_limit', async () => {
  const [receiver, sender] = DynSock.pair()
  const received = receiver.recvUntilTerminator(10, { timeout: 60_000, maxData: 10 })
  await sender.sendComplete('1234567')
  await sender.sendComplete('890\n')
  await expect(received).rejects.toThrow(expect.objectContaining({ code: 'ERR_SOCK_MAX_DATA' }))
})
