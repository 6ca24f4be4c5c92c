import { expect, test } from 'vitest'
import { formatRow, parseRow, parseSize, rowOptions, type SockError } from '../src'

test.each([
  ['poll', { name: 'poll', settings: {} }],
  ['iouring:inline', { name: 'iouring', drive: 'inline', settings: {} }],
  ['iouring:thread:receivePool=8M', { name: 'iouring', drive: 'thread', settings: { receivePool: '8M' } }],
  ['net:onread=1M', { name: 'net', settings: { onread: '1M' } }],
  ['poll:a=b=c:d=', { name: 'poll', settings: { a: 'b=c', d: '' } }],
])('%s', (text, row) => {
  expect(parseRow(text)).toEqual(row)
  expect(formatRow(parseRow(text))).toBe(text)
})

test.each([
  '',
  ':thread',
  'Poll',
  '1poll',
  'poll:',
  'poll:fast',
  'poll:thread:inline',
  'poll:a=1:thread',
  'poll:=1',
  'po ll',
])('refuses %j, naming it', (text) => {
  let error: SockError | undefined
  try {
    parseRow(text)
  } catch (thrown) {
    error = thrown as SockError
  }
  expect(error?.code).toBe('ERR_INVALID_ARG_VALUE')
  expect(error?.message).toContain(JSON.stringify(text))
})

test.each([
  ['0', 0],
  ['4096', 4096],
  ['256K', 262_144],
  ['8m', 8_388_608],
  ['4MiB', 4_194_304],
  ['1GB', 1_073_741_824],
])('size %s', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes)
})

test.each(['', 'K', '-1', '1.5M', '1T', '8 M', '0x10', 'M8'])('no size: %j', (text) => {
  expect(parseSize(text)).toBeUndefined()
})

test.each([
  ['poll', {}],
  ['iouring:thread', { drive: 'thread' }],
  ['poll:receivePool=8M:poison=true:batchLimit=16', { receivePool: 8_388_608, poison: true, batchLimit: 16 }],
  ['iouring:inline:poison=false', { drive: 'inline', poison: false }],
])('the options of %s', (text, options) => {
  expect(rowOptions(parseRow(text))).toEqual(options)
})

test.each(['poll:receivePool=much', 'poll:receivePool=', 'poll:poison=yes'])('no options: %s', (text) => {
  expect(() => rowOptions(parseRow(text))).toThrow(
    expect.objectContaining({
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringContaining(JSON.stringify(text)),
    }),
  )
})
