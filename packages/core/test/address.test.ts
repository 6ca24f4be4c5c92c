import { describe, expect, test } from 'vitest'
import { SockAddr, SockError } from '../src'

/** The error a call throws; fails when there is none. */
function thrown(call: () => unknown): SockError {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(SockError)
    return error as SockError
  }
  throw new Error('nothing was thrown')
}

const MAX = 'x'.repeat(107)

describe('SockAddr.parse reads', () => {
  test.each([
    // text, the form it prints, family, host, port, zone, path
    ['127.0.0.1:8333', '127.0.0.1:8333', 'ipv4', '127.0.0.1', 8333, '', ''],
    ['0.0.0.0:0', '0.0.0.0:0', 'ipv4', '0.0.0.0', 0, '', ''],
    ['255.255.255.255:65535', '255.255.255.255:65535', 'ipv4', '255.255.255.255', 65535, '', ''],
    ['[::1]:8333', '[::1]:8333', 'ipv6', '::1', 8333, '', ''],
    ['[::]:0', '[::]:0', 'ipv6', '::', 0, '', ''],
    ['[fe80::1%eth0]:1', '[fe80::1%eth0]:1', 'ipv6', 'fe80::1', 1, 'eth0', ''],
    ['[fe80::1%2]:1', '[fe80::1%2]:1', 'ipv6', 'fe80::1', 1, '2', ''],
    ['unix:/run/node.sock', 'unix:/run/node.sock', 'unix', '', 0, '', '/run/node.sock'],
    ['unix:relative.sock', 'unix:relative.sock', 'unix', '', 0, '', 'relative.sock'],
    ['unix:/a:b', 'unix:/a:b', 'unix', '', 0, '', '/a:b'],
    ['unix:@name', 'unix:@name', 'unix', '', 0, '', '@name'],
    [`unix:${MAX}`, `unix:${MAX}`, 'unix', '', 0, '', MAX],
  ] as const)('%s', (text, printed, family, host, port, zone, path) => {
    const address = SockAddr.parse(text)
    expect({ ...address }).toEqual({ family, host, port, zone, path })
    expect(address.toString()).toBe(printed)
    expect(JSON.stringify({ address })).toBe(JSON.stringify({ address: printed }))
    expect(SockAddr.parse(printed).equals(address)).toBe(true)
    expect(SockAddr.from(address)).toBe(address)
    expect(Object.isFrozen(address)).toBe(true)
  })
})

describe('IPv6 is printed as RFC 5952 says', () => {
  test.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
    ['::ffff:7f00:1', '::ffff:127.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s', (host, printed) => {
    expect(SockAddr.ip(host, 1).host).toBe(printed)
    expect(SockAddr.parse(`[${host}]:1`).toString()).toBe(`[${printed}]:1`)
  })
})

describe('SockAddr.parse refuses', () => {
  test.each([
    '',
    ':',
    ':80',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:-1',
    '127.0.0.1:65536',
    '127.0.0.1:100000',
    '127.0.0.1:0x50',
    '127.0.0.1:80 ',
    ' 127.0.0.1:80',
    '127.0.0.01:80',
    '0177.0.0.1:80',
    '127.1:80',
    '127.0.0.1.1:80',
    '256.0.0.1:80',
    '127.0.0.:80',
    '١٢٧.0.0.1:80',
    '::1:80',
    '::1',
    '[::1]',
    '[::1]:',
    '[::1]80',
    '[::1',
    '[]:80',
    '[127.0.0.1:80',
    '[1:2:3:4:5:6:7]:80',
    '[1:2:3:4:5:6:7:8:9]:80',
    '[1:2:3:4:5:6:7::8:9]:80',
    '[1::2::3]:80',
    '[:::]:80',
    '[:1:2:3:4:5:6:7]:80',
    '[12345::]:80',
    '[g::]:80',
    '[::127.0.0.256]:80',
    '[::127.0.0.1:1]:80',
    '[::1%]:80',
    '[::1%a b]:80',
    'localhost:80',
    'unix:',
    'unix:@',
    'unix:a\0b',
    `unix:${MAX}x`,
    `unix:@${MAX}`,
    'unix:'.padEnd(5 + 36 * 3, 'é€'),
    'tcp://127.0.0.1:80',
  ])('%j', (text) => {
    const error = thrown(() => SockAddr.parse(text))
    expect({ code: error.code, address: error.address }).toEqual({
      code: 'ERR_INVALID_ADDRESS',
      address: text,
    })
    expect(error.message).toContain(JSON.stringify(text.slice(0, 20)).slice(1, -1))
  })

  test.each([undefined, null, 80_000, {}, ['127.0.0.1:80']])('%j, which is no text', (value) => {
    expect(thrown(() => SockAddr.parse(value as never)).code).toBe('ERR_INVALID_ADDRESS')
    expect(thrown(() => SockAddr.from(value as never)).code).toBe('ERR_INVALID_ADDRESS')
  })

  test('a bare address in brackets that is IPv4', () => {
    expect(thrown(() => SockAddr.parse('[127.0.0.1]:80')).code).toBe('ERR_INVALID_ADDRESS')
  })

  test('a host name, with the remedy', () => {
    for (const text of ['localhost:80', 'example.org:8333', 'seed.bitcoin.sipa.be:8333']) {
      expect(thrown(() => SockAddr.parse(text)).message).toContain('dns.lookup')
    }
  })
})

test.each([-1, 65536, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '80' as never])(
  'SockAddr.ip refuses port %s',
  (port) => {
    expect(thrown(() => SockAddr.ip('127.0.0.1', port)).code).toBe('ERR_INVALID_ADDRESS')
  },
)

test('a length counts in bytes of UTF-8', () => {
  expect(SockAddr.unix('é'.repeat(53)).path).toHaveLength(53)
  expect(thrown(() => SockAddr.unix('é'.repeat(54))).code).toBe('ERR_INVALID_ADDRESS')
})

test('abstract, unnamed and where', () => {
  expect(SockAddr.parse('unix:@x').abstract).toBe(true)
  expect(SockAddr.parse('unix:/x').abstract).toBe(false)
  expect(SockAddr.unnamed.toString()).toBe('unix:')
  expect(SockAddr.parse('unix:/x').where).toEqual({ address: '/x' })
  expect(SockAddr.parse('1.2.3.4:5').where).toEqual({ address: '1.2.3.4', port: 5 })
  expect(SockAddr.parse('[fe80::1%eth0]:5').where).toEqual({ address: 'fe80::1%eth0', port: 5 })
})

test('equals tells every part apart', () => {
  const all = [
    '1.2.3.4:5',
    '1.2.3.4:6',
    '1.2.3.5:5',
    '[::1]:5',
    '[::1%a]:5',
    '[::1%b]:5',
    'unix:/a',
    'unix:@a',
    'unix:a',
  ]
  for (const one of all) {
    for (const two of all) expect(SockAddr.parse(one).equals(SockAddr.parse(two))).toBe(one === two)
  }
})
