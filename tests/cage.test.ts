// What a cage refuses to one mechanism is a reason to pass it by, and nothing that the choosing does hurts the process.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '@sockman/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ALL, answer, at, caged, choosing, DOCTOR, filtered, IO_URING, told } from './cage'
import { load } from './fixtures/backend.mjs'

const iouring: Backend = await load('iouring')
const ring = iouring.probe()

/** Without a ring here nothing can be said about a refused one. */
const needsRing = (context: { skip(note: string): void }) => {
  if (!ring.available) context.skip(`io_uring cannot be forbidden where there is none: ${ring.message}`)
}

const CAUTION = /^administrators often disable io_uring for security: choose \w+, .*; .*seccomp profile/

/** Side by side: NOTIFY is found out by a wait of two seconds. */
describe.concurrent.each([
  ['KILL', 'ERR_FILTER_KILLS'],
  ['KILL_THREAD', 'ERR_FILTER_KILLS'],
  ['TRAP', 'ERR_FILTER_KILLS'],
  ['NOTIFY', 'ERR_FILTER_STALLS'],
])('a seccomp filter that answers io_uring by %s', (action, reason) => {
  beforeEach(needsRing)

  test('auto takes another engine and says why', async () => {
    const { selection } = told(await filtered(action, ALL, choosing({})))
    expect(selection!.backend).not.toBe('iouring')
    expect(selection!.rejected[0]).toMatchObject({
      backend: 'iouring',
      reason,
      message: expect.stringContaining('io_uring_setup'),
      remedy: expect.stringMatching(CAUTION),
    })
  })

  test('by name: the documented error', async () => {
    const { error } = told(await filtered(action, ALL, choosing({ backend: 'iouring' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', backend: 'iouring', reason })
    expect(error!.remedy).toMatch(CAUTION)
  })

  test.each(['enter', 'register'] as const)('also when it is io_uring_%s only', async (call) => {
    const { error } = told(await filtered(action, String(IO_URING[call]), choosing({ backend: 'iouring' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason })
    expect(error!.message).toContain(`io_uring_${call}`)
  })

  test('its Socks say the same', async () => {
    const { error } = told(await filtered(action, ALL, ['fixtures/socks.mjs', 'iouring']))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason })
  })

  test('doctor says it', async () => {
    const { findings, outcome } = JSON.parse(await filtered(action, ALL, [...DOCTOR, '--json']))
    expect(findings[0]).toMatchObject({ name: 'iouring', available: false, problem: { reason } })
    expect(outcome).toMatchObject({ row: expect.stringMatching(/^epoll:/), error: null })
  })

  test('it is found out once, and leaves no child, no descriptor, no signal', async () => {
    const found = JSON.parse(await filtered(action, ALL, ['fixtures/traces.mjs']))
    expect(found).toMatchObject({ reason, opened: 0, children: [], signals: 0 })
    expect(found.remembered).toBeLessThan(1000)
  })
})

// Numbers of x64.
describe.runIf(process.arch === 'x64')('a seccomp filter that kills for more', () => {
  const [WAIT4, KILL, PRCTL, POLL, SELECT, PSELECT6] = [61, 62, 157, 7, 23, 270]

  test.for([
    ['prctl', PRCTL, 'ERR_FILTER_KILLS'],
    ['wait4', WAIT4, 'ERR_FILTER_UNKNOWN'],
    ['kill', KILL, 'ERR_FILTER_UNKNOWN'],
  ] as const)('for %s too, with which a child is had: auto goes on', async ([, number, reason], context) => {
    needsRing(context)
    const { selection } = told(await filtered('KILL', `${ALL},${number}`, choosing({})))
    expect(selection).toMatchObject({ backend: 'epoll', rejected: [{ reason }, {}, {}, {}] })
  })

  test.each([
    ['prctl', PRCTL],
    ['kill', KILL],
  ])('for %s alone: io_uring runs unless that cannot be known', async (name, number) => {
    const { selection } = told(await filtered('KILL', String(number), choosing({})))
    expect(selection!.backend).toBe(ring.available && name === 'prctl' ? 'iouring' : 'epoll')
  })

  test.each([
    ['poll', String(POLL)],
    ['select', `${SELECT},${PSELECT6}`],
  ])('for %s, which Node does without: doctor does not call it available', async (name, numbers) => {
    const { findings } = JSON.parse(await filtered('KILL', numbers, [...DOCTOR, '--json']))
    const finding = findings.find((each: { name: string }) => each.name === name)
    expect(finding).toMatchObject({ available: false, problem: { reason: 'ERR_FILTER_KILLS' } })
    expect(findings[1]).toMatchObject({ name: 'epoll', available: true })
  })
})

/** A user without privileges: whom RLIMIT_MEMLOCK and RLIMIT_NPROC bind. */
const NOBODY =
  process.getuid?.() === 0 ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'] : ['env']
const asNobody = (...limits: string[]) => [...NOBODY, ...limits]
const nobodyRuns =
  spawnSync(NOBODY[0]!, [
    ...NOBODY.slice(1),
    process.execPath,
    at('fixtures/choose.mjs'),
    '{"backend":"poll"}',
  ]).status === 0

describe('locked memory too small for a ring', () => {
  const tight = asNobody('prlimit', '--memlock=65536:65536')

  beforeEach(async (context) => {
    needsRing(context)
    if (!nobodyRuns) context.skip('a user without privileges cannot run this checkout')
    const { selection } = told(await caged(tight, choosing({ backend: 'iouring' })))
    if (selection) context.skip('this kernel does not count rings as locked memory')
  })

  test('auto takes another engine and says what to raise', async () => {
    const { selection } = told(await caged(tight, choosing({})))
    expect(selection!.backend).toBe('epoll')
    expect(selection!.rejected[0]).toMatchObject({
      backend: 'iouring',
      reason: 'ENOMEM',
      message: expect.stringContaining('io_uring_setup'),
      remedy: expect.stringContaining('ulimit -l'),
    })
  })

  test('by name: an error that says so', async () => {
    const { error } = told(await caged(tight, choosing({ backend: 'iouring' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason: 'ENOMEM' })
    expect(error!.remedy).toContain('ulimit -l')
  })

  test('enough for the probe, too small for what is asked: auto goes on all the same', async () => {
    const cage = asNobody('prlimit', '--memlock=262144:262144')
    const large = { receivePoolMax: 2 ** 30, receiveBlock: 2 ** 15 }
    const { selection } = told(await caged(cage, choosing(large)))
    expect(selection!.backend).toBe('epoll')
    expect(selection!.rejected[0]).toMatchObject({
      backend: 'iouring',
      reason: 'ENOMEM',
      message: expect.stringMatching(/^io_uring_/),
    })
  })
})

describe('a shortage that is everybody’s', () => {
  test.each([{}, { backend: 'iouring' }, { backend: 'epoll' }])(
    'address space for the receive memory, %o: ENOMEM as it is',
    async (options) => {
      const large = JSON.stringify({ ...options, receivePoolMax: 2 ** 30 })
      const { error } = told(await caged(['env'], ['fixtures/limited.mjs', 'as', String(2 ** 29), large]))
      expect(error).toMatchObject({ code: 'ENOMEM', syscall: 'mmap' })
      expect(error!.reason).toBeUndefined()
    },
  )

  test('few descriptors, however many: it works, or the shortage is thrown as it is', async () => {
    for (let free = 0; free < 10; free++) {
      const { selection, error } = told(await caged(['prlimit', '--nofile=64:64'], choosing({}, free)))
      if (selection) expect(selection.backend).toBe(ring.available ? 'iouring' : 'epoll')
      else expect(error).toMatchObject({ code: 'EMFILE' })
    }
  })
})

describe('no child process to be had under a filter', () => {
  const cage = (syscalls: string) => ['python3', at('fixtures/seccomp.py'), 'KILL', syscalls, ...NOBODY]
  const childless = (options: object) => ['fixtures/limited.mjs', 'nproc', '1', JSON.stringify(options)]
  const UNUSED = String(0xfffe)

  beforeEach((context) => {
    needsRing(context)
    if (!nobodyRuns) context.skip('a user without privileges cannot run this checkout')
  })

  test('auto does without io_uring and says why', async () => {
    const { selection } = told(await caged(cage(ALL), childless({})))
    expect(selection!.backend).toBe('epoll')
    expect(selection!.rejected[0]).toMatchObject({
      reason: 'ERR_FILTER_UNKNOWN',
      message: expect.stringContaining('clone EAGAIN'),
      remedy: expect.stringContaining('ulimit -u'),
    })
  })

  test('an engine whose calls are seldom filtered runs', async () => {
    const { error } = told(await caged(cage(UNUSED), childless({ backend: 'iouring' })))
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', reason: 'ERR_FILTER_UNKNOWN' })
    const { selection } = told(await caged(cage(UNUSED), childless({ backend: 'poll' })))
    expect(selection!.backend).toBe('poll')
  })
})

/** Whether this user may have a mount namespace of his own. */
const unshares = spawnSync('unshare', ['--mount', 'true']).status === 0
const mounted = (script: string) => ['unshare', '--mount', 'sh', '-c', `${script} && exec "$@"`, 'sh']

describe('without /proc', () => {
  beforeEach((context) => {
    if (!unshares) context.skip('no mount namespace for this user')
  })
  const cage = mounted('mount -t tmpfs tmpfs /proc')

  test('the engine is the same', async () => {
    const { selection } = told(await caged(cage, choosing({})))
    expect(selection!.backend).toBe(ring.available ? 'iouring' : 'epoll')
  })

  test('a filter that kills is found all the same', async (context) => {
    needsRing(context)
    const filter = ['python3', at('fixtures/seccomp.py'), 'KILL', ALL]
    const { selection } = told(await caged([...cage, ...filter], choosing({})))
    expect(selection).toMatchObject({
      backend: 'epoll',
      rejected: [{ reason: 'ERR_FILTER_KILLS' }, {}, {}, {}],
    })
  })
})

interface Elsewhere {
  [attempt: string]: { code: string; reason: string; remedy: string; message: string }
}
const ATTEMPTS = ['create', 'again', 'named', 'auto']

describe('an addon in a folder of its own', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sockman-cage-'))
    chmodSync(folder, 0o755)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const addon = at('../packages/backend-epoll/build/Release/epoll.node')
  const elsewhere = (where: string) => ['fixtures/elsewhere.mjs', 'epoll', where]

  function expectAll(stdout: string, reason: string, remedy: RegExp) {
    const outcomes = JSON.parse(stdout) as Elsewhere
    for (const attempt of ATTEMPTS) {
      const { code, reason: found, remedy: advice, message } = outcomes[attempt]!
      expect({ attempt, code }).toEqual({ attempt, code: 'ERR_BACKEND_UNAVAILABLE' })
      expect(advice).toMatch(remedy)
      if (attempt !== 'auto') expect(found, message).toBe(reason)
    }
  }

  test('mounted noexec: the remedy fits', async (context) => {
    if (!unshares) context.skip('no mount namespace for this user')
    const where = join(folder, 'noexec')
    mkdirSync(where)
    const prepare = `mount -t tmpfs -o noexec tmpfs ${where} && mkdir -p ${where}/build/Release && cp ${addon} ${where}/build/Release/`
    expectAll(await caged(mounted(prepare), elsewhere(where)), 'ERR_LOAD_FAILED', /mounted noexec/)
  })

  test('not to be read by this user: the remedy fits', async (context) => {
    if (NOBODY[0] !== 'setpriv' || !nobodyRuns) context.skip('needs root, and a user without privileges')
    const where = join(folder, 'private')
    mkdirSync(join(where, 'build', 'Release'), { recursive: true })
    cpSync(addon, join(where, 'build', 'Release', 'epoll.node'))
    chmodSync(join(where, 'build'), 0o700)
    expectAll(await caged(NOBODY, elsewhere(where)), 'ERR_LOAD_FAILED', /let the user .* read/)
  })

  /** The addon asks for another name of the same length, since the executable's own symbol comes before a preloaded one. */
  test.each(['always', 'from the second one on'])(
    'in a runtime that refuses external ArrayBuffers, %s: a typed error',
    async (when) => {
      const where = join(folder, `sandbox-${when.length}`)
      const release = join(where, 'build', 'Release')
      mkdirSync(release, { recursive: true })
      const [name, other] = ['napi_create_external_arraybuffer', 'fake_create_external_arraybuffer']
      const text = readFileSync(addon, 'latin1').replaceAll(name, other)
      writeFileSync(join(release, 'epoll.node'), text, 'latin1')
      const source = join(where, 'fake.c')
      writeFileSync(
        source,
        `typedef int (*create)(void*, void*, unsigned long, void*, void*, void**);
         int ${name}(void*, void*, unsigned long, void*, void*, void**);
         static int calls;
         int ${other}(void *e, void *d, unsigned long n, void *f, void *h, void **r) {
           enum { no_external_buffers_allowed = 22 };
           if (${when === 'always' ? 1 : 0} || calls++ % 2 == 1) return no_external_buffers_allowed;
           return ${name}(e, d, n, f, h, r);
         }`,
      )
      const library = join(where, 'fake.so')
      execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-o', library, source])
      const stdout = await answer('env', [
        `LD_PRELOAD=${library}`,
        process.execPath,
        '--expose-gc',
        at('fixtures/elsewhere.mjs'),
        'epoll',
        where,
      ])
      expectAll(stdout, 'ERR_UNSUPPORTED_RUNTIME', /plain Node\.js/)
    },
  )
})
