import { closeSync, openSync } from 'node:fs'
import { ErrorEvent, RecvEvent, ThreadInterrupt } from '@sockman/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { backends } from './rows'

// select is the one with a limit.
const backend = backends.find(({ supports }) => supports.descriptorLimit !== null)!
const LIMIT = backend.supports.descriptorLimit!
const socks = backend.socks!
const files: number[] = []
const refused = { name: 'SockError', code: 'ERR_FD_NOT_SELECTABLE' }

/** From here on whatever is opened has a number that select(2) has no place for. */
beforeAll(() => {
  do files.push(openSync('/dev/null', 'r'))
  while (files.at(-1)! < LIMIT)
})
afterAll(() => files.forEach(closeSync))

test('create is refused and leaves nothing open; the others are open, and not selectable', () => {
  expect(() => socks.create('ipv4')).toThrow(expect.objectContaining(refused))
  const pair = socks.pair()
  const [fd] = pair.map((sock) => sock.fd)
  // The number that `create` had is free again.
  expect(pair.map((sock) => sock.isSelectable())).toEqual([false, false])
  expect(fd).toBe(files.at(-1)! + 1)
  for (const sock of pair) sock.close()
})

test('a wait for one is refused, with the remedy, also among others; bytes go on', async () => {
  const [one, two] = socks.pair()
  const map = new Map([[one, { requested: RecvEvent, occurred: 7 }]])
  await expect(one.wait(0, RecvEvent)).rejects.toMatchObject(refused)
  await expect(one.waitMany(map, 0)).rejects.toMatchObject(refused)
  expect(() => one.waitSync(0, ErrorEvent)).toThrow(
    /descriptor \d+ cannot be watched, only those below 1024 can: hold fewer/,
  )
  expect(map.get(one)!.occurred).toBe(7)
  await one.sendComplete('line\n')
  expect(await two.recvUntilTerminator(10, { encoding: 'utf8' })).toBe('line')
  await expect(two.recvUntilTerminator(10)).rejects.toMatchObject({ ...refused, received: new Uint8Array() })
  for (const sock of [one, two]) sock.close()
})

test('an interrupt whose bell is beyond the limit: refused, and the bell is closed', () => {
  const low = files.splice(0, 2)
  for (const fd of low) closeSync(fd)
  const [one, two] = socks.pair()
  expect([one.fd, two.fd].every((fd) => fd < LIMIT)).toBe(true)
  const signal = new ThreadInterrupt()
  expect(() => one.waitSync(0, RecvEvent, { signal })).toThrow(expect.objectContaining(refused))
  const next = openSync('/dev/null', 'r')
  expect(next).toBe(files.at(-1)! + 1)
  closeSync(next)
  for (const sock of [one, two]) sock.close()
})
