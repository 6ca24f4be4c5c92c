import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../src/wire/bytes'
import { displayHash, sha256d } from '../src/wire/hash'
import {
  decodeHeaders,
  decodeInventory,
  decodeVersion,
  encodeGetBlocks,
  encodeGetHeaders,
  encodeHeaders,
  encodeMessage,
  encodeVersion,
} from '../src/wire/message'
import { describeMagic, MAGIC, networkOf } from '../src/wire/network'
import { GENESIS } from './genesis'

describe('messages', () => {
  it('encodes verack as the protocol documentation has it', () => {
    // https://en.bitcoin.it/wiki/Protocol_documentation#verack
    expect(encodeMessage(MAGIC.mainnet, 'verack').toString('hex')).toBe(
      'f9beb4d976657261636b000000000000000000005df6e0e2',
    )
  })

  it('reads the version message of the protocol documentation', () => {
    // https://en.bitcoin.it/wiki/Protocol_documentation#version: payload of 100 bytes
    const payload = Buffer.from(
      '62ea0000010000000000000011b2d05000000000010000000000000000000000000000000000ffff000000000000' +
        '000000000000000000000000000000000000ffff0000000000003b2eb35d8ce617650f2f5361746f7368693a302e372e322fc03e0300',
      'hex',
    )
    expect(payload).toHaveLength(100)
    expect(decodeVersion(payload)).toEqual({
      protocol: 60002,
      userAgent: '/Satoshi:0.7.2/',
      startHeight: 212672,
    })
    expect(encodeMessage(MAGIC.mainnet, 'version', payload).toString('hex', 16, 24)).toBe('64000000358d4932')
  })

  it('reads its own version', () => {
    expect(decodeVersion(encodeVersion('/x:1/', 7))).toEqual({
      protocol: 70016,
      userAgent: '/x:1/',
      startHeight: 7,
    })
  })

  it('refuses a truncated version', () => {
    expect(() => decodeVersion(encodeVersion('/x:1/', 7).subarray(0, 70))).toThrow(RangeError)
  })

  it('encodes getheaders', () => {
    const hash = sha256d(GENESIS.subarray(0, 80))
    const expected = `8011010001${hash.toString('hex')}${'00'.repeat(32)}`
    expect(encodeGetHeaders([hash]).toString('hex')).toBe(expected)
  })

  it('encodes getdata for witness blocks (BIP 144)', () => {
    const hash = sha256d(GENESIS.subarray(0, 80))
    expect(encodeGetBlocks([hash]).toString('hex')).toBe(`0102000040${hash.toString('hex')}`)
    expect(decodeInventory(encodeGetBlocks([hash]))).toEqual([hash])
  })

  it('headers go there and back, 2 000 at most', () => {
    const header = GENESIS.subarray(0, 80)
    expect(encodeHeaders([header]).toString('hex')).toBe(`01${header.toString('hex')}00`)
    const decoded = decodeHeaders(encodeHeaders([header, header]))
    expect(decoded.map((each) => displayHash(sha256d(each)))).toEqual([
      '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
      '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    ])
    expect(() => decodeHeaders(encodeHeaders(new Array<Buffer>(2001).fill(header)))).toThrow('2001 headers')
    expect(() => decodeHeaders(encodeHeaders([header]).subarray(0, 50))).toThrow(RangeError)
  })

  it('names networks by their magic', () => {
    expect(networkOf(0xd9b4bef9)).toBe('mainnet')
    expect(describeMagic(MAGIC.regtest)).toBe('fabfb5da (regtest)')
    expect(describeMagic(0)).toMatch(/^00000000 \(no network/)
  })
})

describe('CompactSize', () => {
  it.each([
    [0, '00'],
    [0xfc, 'fc'],
    [0xfd, 'fdfd00'],
    [0xffff, 'fdffff'],
    [0x10000, 'fe00000100'],
    [0xffffffff, 'feffffffff'],
  ])('%i', (value, hex) => {
    expect(new ByteWriter().count(value).take().toString('hex')).toBe(hex)
    expect(new ByteReader(Buffer.from(hex, 'hex')).count()).toBe(value)
  })

  it('refuses a count beyond 2⁵³', () => {
    expect(() => new ByteReader(Buffer.from('ffffffffffffffffff', 'hex')).count()).toThrow(RangeError)
  })
})
