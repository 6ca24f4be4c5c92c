import { constants } from 'node:os'
import { expect, test } from 'vitest'
import {
  describe as describeValue,
  errnoName,
  invalidArgument,
  ioErrorIsPermanent,
  networkErrorString,
  SockError,
} from '../src'

/** Two names for one number: the table has the other. */
const ALIASES = new Set(['EWOULDBLOCK', 'ENOTSUP'])

test('errno names agree with those of this system', { skip: process.platform !== 'linux' }, () => {
  let known = 0
  for (const [name, errno] of Object.entries(constants.errno)) {
    if (ALIASES.has(name)) continue
    const found = errnoName(errno)
    if (found === 'EUNKNOWN') continue
    expect(found).toBe(name)
    expect(errnoName(-errno)).toBe(name)
    known++
  }
  expect(known).toBeGreaterThan(40)
  expect(errnoName(99_999)).toBe('EUNKNOWN')
})

test('ioErrorIsPermanent: only the transient four are not', () => {
  const { EAGAIN, EWOULDBLOCK, EINTR, EINPROGRESS, ...permanent } = constants.errno
  for (const errno of [EAGAIN, EWOULDBLOCK, EINTR, EINPROGRESS]) {
    expect([ioErrorIsPermanent(errno), ioErrorIsPermanent(-errno)]).toEqual([false, false])
  }
  for (const errno of Object.values(permanent)) expect(ioErrorIsPermanent(errno)).toBe(true)
})

test('networkErrorString is the text and the number', () => {
  expect(networkErrorString(-104)).toBe('Connection reset by peer (104)')
  expect(networkErrorString(104)).toBe('Connection reset by peer (104)')
  expect(networkErrorString(99_999)).toContain('99999')
})

test("fromErrno has the shape of Node's own errors", () => {
  const error = SockError.fromErrno(111, 'connect', { address: '::1', port: 8333 }, { unsentBytes: 5 })
  expect(error).toBeInstanceOf(Error)
  expect(error.name).toBe('SockError')
  expect({ ...error }).toEqual({
    code: 'ECONNREFUSED',
    errno: -111,
    syscall: 'connect',
    address: '::1',
    port: 8333,
    unsentBytes: 5,
  })
  expect(error.message).toContain('[::1]:8333')
  expect(error.message).toMatch(/Connection refused \(111\)$/)
  expect({ ...SockError.fromErrno(-104, 'recv') }).toEqual({
    code: 'ECONNRESET',
    errno: -104,
    syscall: 'recv',
  })
})

test('fields that were not given are absent, a cause is kept', () => {
  const cause = new Error('below')
  const error = new SockError('above', { code: 'ERR_LOAD_FAILED', cause })
  expect(Object.keys(error)).toEqual(['code'])
  expect(error.cause).toBe(cause)
  expect('cause' in new SockError('x', { code: 'X' })).toBe(false)
})

test('invalidArgument names the argument and the value', () => {
  const error = invalidArgument('ERR_OUT_OF_RANGE', 'options.backlog', 'an integer from 1 to 65535', 0)
  expect(error.code).toBe('ERR_OUT_OF_RANGE')
  for (const part of ['options.backlog', '1 to 65535', 'not 0']) expect(error.message).toContain(part)
})

test('a value of any kind has a short text', () => {
  for (const value of [
    undefined,
    null,
    1,
    1n,
    'a',
    true,
    Symbol('s'),
    {},
    [],
    () => {},
    Object.create(null),
    new Map(),
    'x'.repeat(500),
  ]) {
    const text = describeValue(value)
    expect(text.length).toBeGreaterThan(0)
    expect(text.length).toBeLessThan(100)
  }
})
