import type { Backend } from '@sockman/core'
import { beforeEach, describe, expect, test } from 'vitest'
import { ALL, answer, caged, choosing, DOCTOR, filtered, IO_URING, told } from './cage'
import { load } from './fixtures/backend.mjs'

const [EPERM, ENOSYS, EMFILE] = [1, 38, 24]

/** Where at most 64 descriptors can be open. */
const starved = (program: readonly string[]) => caged(['prlimit', '--nofile=64:64'], program)

const iouring: Backend = await load('iouring')

beforeEach((context) => {
  const probe = iouring.probe()
  if (!probe.available) context.skip(`io_uring cannot be forbidden where there is none: ${probe.message}`)
})

/** The caution, then another engine, then how to allow it. */
const REMEDY =
  /^administrators often disable io_uring for security: choose (\w+), .*; .*seccomp profile.*kernel\.io_uring_disabled/

describe('io_uring forbidden by a seccomp filter', () => {
  test.each([
    ['EPERM', EPERM],
    ['ENOSYS', ENOSYS],
  ])('by name: the documented error, with %s', async (reason, errno) => {
    const { error } = told(await filtered(errno, ALL, choosing({ backend: 'iouring' })))
    expect(error).toMatchObject({
      name: 'SockError',
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: 'iouring',
      reason,
      remedy: expect.stringMatching(REMEDY),
    })
    expect(error!.message).toContain(error!.remedy)
  })

  test.each(Object.entries(IO_URING))('also when only io_uring_%s is', async (call, number) => {
    const { error } = told(await filtered(EPERM, String(number), choosing({ backend: 'iouring' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason: 'EPERM' })
    expect(error!.message).toContain(`io_uring_${call} EPERM`)
  })

  test.each([
    ['setup', 'EPERM', EPERM],
    ['setup', 'ENOSYS', ENOSYS],
    ['enter', 'EPERM', EPERM],
  ] as const)('its Socks say the same when io_uring_%s is, with %s', async (call, reason, errno) => {
    const { error } = told(await filtered(errno, String(IO_URING[call]), ['fixtures/socks.mjs', 'iouring']))
    expect(error).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: 'iouring',
      reason,
      remedy: expect.stringMatching(/^administrators often disable io_uring/),
    })
  })

  test('auto takes another engine and says why', async () => {
    const { selection } = told(await filtered(EPERM, ALL, choosing({})))
    const { backend, rejected } = selection!
    expect(backend).not.toBe('iouring')
    expect(rejected[0]).toMatchObject({ backend: 'iouring', reason: 'EPERM' })
    expect(REMEDY.exec(rejected[0]!.remedy!)?.[1]).toBe(backend)
  })

  test('doctor explains the remedy, in words and in JSON', async () => {
    const text = await filtered(EPERM, ALL, DOCTOR)
    expect(text).toContain('seccomp filter')
    expect(text).toMatch(/liburing (\d+\.\d+|before 2\.4)/)
    const row = text.slice(text.indexOf('│ iouring'), text.indexOf('│ epoll'))
    const words = row.replace(/[│\s]+/g, ' ')
    expect(words).toMatch(/iouring yes no – EPERM: io_uring_setup EPERM/)
    expect(words).toMatch(
      /→ administrators often disable io_uring for security: choose \w+, .* kernel\.io_uring_disabled/,
    )

    const { findings, outcome } = JSON.parse(await filtered(EPERM, ALL, [...DOCTOR, '--json']))
    expect(findings[0]).toMatchObject({
      name: 'iouring',
      supported: true,
      available: false,
      chosen: false,
      problem: { reason: 'EPERM', remedy: expect.stringMatching(REMEDY) },
    })
    const [, instead] = REMEDY.exec(findings[0].problem.remedy)!
    expect(outcome.row).toMatch(new RegExp(`^${instead}:`))
  })
})

describe('a shortage of descriptors', () => {
  test.each([
    ['by name', { backend: 'iouring' }],
    ['auto', {}],
  ])('%s: the error as it is', async (_, options) => {
    // The last free one is the ring's wake-up.
    const { error, selection } = told(await starved(choosing(options, 1)))
    expect(selection).toBeUndefined()
    expect(error).toMatchObject({ code: 'EMFILE', errno: -EMFILE, syscall: 'io_uring_setup' })
    expect(error!.reason).toBeUndefined()
  })

  test.each([
    ['by name', { backend: 'iouring' }],
    ['auto', {}],
  ])('%s: also before anything is loaded', async (_, options) => {
    const program = `
      import { openSync } from 'node:fs'
      import { createSockMan } from 'sockman'
      try { for (;;) openSync('/dev/null') } catch {}
      try {
        const man = await createSockMan({}, ${JSON.stringify(options)})
        process.stdout.write(JSON.stringify({ selection: man.selection }))
      } catch ({ code, errno }) {
        process.stdout.write(JSON.stringify({ error: { code, errno } }))
      }`
    const args = ['--nofile=64:64', process.execPath, '--input-type=module', '--eval', program]
    expect(told(await answer('prlimit', args))).toEqual({ error: { code: 'EMFILE', errno: -EMFILE } })
  })

  test('with just enough it works', async () => {
    const { selection } = told(await starved(choosing({ backend: 'iouring:thread' }, 16)))
    expect(selection).toMatchObject({ backend: 'iouring', drive: 'thread' })
  })
})
