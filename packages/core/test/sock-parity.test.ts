import { expect, test } from 'vitest'
import { TableHost, TableSock } from './table-host'

// Bitcoin Core's src/test/sock_tests.cpp, the cases about descriptors, on a table that reuses numbers at once like a kernel.
// All six are in src/conformance/socks.ts, for every kind of Sock.

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
