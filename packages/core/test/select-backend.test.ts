import { describe, expect, test } from 'vitest'
import {
  type Backend,
  type Candidate,
  type Capabilities,
  type ProbeResult,
  type Requirements,
  remedyFor,
  type SelectOptions,
  SockError,
  selectBackend,
  type Unavailable,
} from '../src'

const SUPPORTS: Capabilities = {
  drives: ['thread'],
  descriptorLimit: null,
  unixSockets: true,
  abstractUnix: true,
  halfClose: true,
  resetWhilePaused: true,
  closeWhilePaused: false,
  zeroCopyReceive: true,
  optimisticSend: true,
  unixReset: true,
  acceptFilterBeforeRead: true,
  foreignClose: true,
  reusePort: true,
  descriptors: true,
  multishot: false,
  providedBuffers: false,
}

/** What was loaded and probed, in order: `fast`, `fast!`. */
type Log = string[]
type Fake = (log: Log) => Candidate

/** A candidate that is installed. */
const backend =
  (name: string, supports: Partial<Capabilities> = {}, probe?: Partial<ProbeResult> | Error): Fake =>
  (log) => {
    const all = { ...SUPPORTS, ...supports }
    const fake: Backend = {
      name,
      supports: all,
      probe() {
        log.push(`${name}!`)
        if (probe instanceof Error) throw probe
        return { available: true, drives: all.drives, details: {}, ...probe } as ProbeResult
      },
      createSockMan() {
        throw new Error('selectBackend creates nothing')
      },
    }
    return {
      name,
      async load() {
        log.push(name)
        return fake
      },
    }
  }

/** A candidate that is not. */
const absent =
  (name: string): Fake =>
  (log) => ({
    name,
    async load() {
      log.push(name)
      return { reason: 'ERR_NOT_INSTALLED', message: 'not installed', remedy: `npm install ${name}` }
    },
  })

const refused = (reason: string, more: Partial<Unavailable> = {}) =>
  ({ available: false, reason, message: `the kernel says ${reason}`, remedy: 'mend it', ...more }) as const

const both = { drives: ['inline', 'thread'] } as const
const ring = backend('ring', { ...both, multishot: true })
const forbidden = backend('ring', both, refused('EPERM', { caution: 'think first' }))
const many = backend('many', { unixSockets: false })
const few = backend('few', { descriptorLimit: 1024 })

async function choose(fakes: readonly Fake[], options?: SelectOptions) {
  const log: Log = []
  const choice = await selectBackend(
    fakes.map((fake) => fake(log)),
    options,
  ).catch((error: SockError) => error)
  return { choice, log }
}

async function chosen(fakes: readonly Fake[], options?: SelectOptions) {
  const { choice, log } = await choose(fakes, options)
  if (choice instanceof Error) throw choice
  return { name: choice.backend.name, drive: choice.drive, rejected: choice.rejected, log }
}

async function refusal(fakes: readonly Fake[], options?: SelectOptions): Promise<SockError> {
  const { choice } = await choose(fakes, options)
  expect(choice).toBeInstanceOf(Error)
  return choice as SockError
}

const reasons = (rejected: readonly { backend: string; reason: string }[]) =>
  rejected.map(({ backend, reason }) => `${backend} ${reason}`)

describe('auto', () => {
  test.each<[what: string, fakes: Fake[], options: SelectOptions, row: string, rejected: string[]]>([
    ['takes the first', [ring, many, few], {}, 'ring:inline', ['many ERR_NOT_TRIED', 'few ERR_NOT_TRIED']],
    ['named', [many, ring], { name: 'auto' }, 'many:thread', ['ring ERR_NOT_TRIED']],
    [
      'passes over what is not installed',
      [absent('gone'), few],
      {},
      'few:thread',
      ['gone ERR_NOT_INSTALLED'],
    ],
    ['passes over what is refused', [forbidden, few], {}, 'few:thread', ['ring EPERM']],
    [
      'takes the drive asked for',
      [many, ring],
      { drive: 'inline' },
      'ring:inline',
      ['many ERR_UNSUPPORTED_DRIVE'],
    ],
    ['or the other one', [ring, many], { drive: 'thread' }, 'ring:thread', ['many ERR_NOT_TRIED']],
    [
      'a drive that works only elsewhere does not count',
      [backend('bun', both, { drives: ['thread'] }), ring],
      { drive: 'inline' },
      'ring:inline',
      ['bun ERR_UNSUPPORTED_DRIVE'],
    ],
    [
      'the default drive is the first that works',
      [backend('bun', both, { drives: ['thread'] })],
      {},
      'bun:thread',
      [],
    ],
    [
      'filters by capability',
      [few, many, ring],
      { require: { descriptorLimit: 5000, unixSockets: true } },
      'ring:inline',
      ['few ERR_MISSING_CAPABILITY', 'many ERR_MISSING_CAPABILITY'],
    ],
  ])('%s', async (_, fakes, options, row, rejected) => {
    const found = await chosen(fakes, options)
    expect(`${found.name}:${found.drive}`).toBe(row)
    expect(reasons(found.rejected)).toEqual(rejected)
  })

  test('loads and probes only as far as needed', async () => {
    const { log } = await chosen([absent('gone'), many, forbidden, ring, few], {
      require: { multishot: true },
    })
    // many's manifest is enough; few comes after the winner.
    expect(log).toEqual(['gone', 'many', 'ring', 'ring', 'ring!'])
  })

  test('says why, what to do, and what is used instead', async () => {
    const { rejected } = await chosen([forbidden, absent('gone'), many, few])
    expect(rejected).toEqual([
      {
        backend: 'ring',
        reason: 'EPERM',
        message: 'the kernel says EPERM',
        remedy: 'think first: choose many, the next best engine here; mend it',
      },
      {
        backend: 'gone',
        reason: 'ERR_NOT_INSTALLED',
        message: 'not installed',
        remedy: 'npm install gone; or choose many, the next best engine here',
      },
      { backend: 'few', reason: 'ERR_NOT_TRIED', message: 'many comes first' },
    ])
  })

  test('when none fits, the error tells of each', async () => {
    const error = await refusal([forbidden, absent('gone'), few], { require: { descriptorLimit: null } })
    expect(error).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: 'auto',
      reason: 'ERR_NO_BACKEND',
    })
    for (const each of ['ring: the kernel says EPERM', 'gone: not installed', 'few: descriptorLimit is 1024'])
      expect(error.message).toContain(each)
    expect(error.remedy).toContain('gone: npm install gone')
    expect((await refusal([])).reason).toBe('ERR_NO_BACKEND')
  })
})

describe('a name', () => {
  test('is taken wherever it stands, and nothing else is loaded', async () => {
    const found = await chosen([ring, forbidden, few], { name: 'few' })
    expect(`${found.name}:${found.drive}`).toBe('few:thread')
    expect(found.log).toEqual(['few', 'few!'])
    expect(found.rejected[0]).toEqual({
      backend: 'ring',
      reason: 'ERR_NOT_TRIED',
      message: 'few was asked for',
    })
  })

  test.each<[what: string, fake: Fake, options: SelectOptions, reason: string]>([
    ['not installed', absent('ring'), {}, 'ERR_NOT_INSTALLED'],
    ['refused', forbidden, {}, 'EPERM'],
    ['without the drive', backend('ring'), { drive: 'inline' }, 'ERR_UNSUPPORTED_DRIVE'],
    [
      'without the drive here',
      backend('ring', both, { drives: ['thread'] }),
      { drive: 'inline' },
      'ERR_UNSUPPORTED_DRIVE',
    ],
    [
      'without a capability',
      backend('ring', { halfClose: false }),
      { require: { halfClose: true } },
      'ERR_MISSING_CAPABILITY',
    ],
  ])('never falls back: %s', async (_, fake, options, reason) => {
    const error = await refusal([fake, ring], { name: 'ring', ...options })
    expect(error).toMatchObject({ code: 'ERR_BACKEND_UNAVAILABLE', backend: 'ring', reason })
    expect(error).toBeInstanceOf(SockError)
    expect(error.remedy).not.toBe('')
  })

  test('the remedy names the next best engine, which satisfies the same request', async () => {
    const all = [few, forbidden, absent('gone'), many, ring]
    const named = async (options: SelectOptions) => (await refusal(all, { name: 'gone', ...options })).remedy
    expect(await named({})).toBe('npm install gone; or choose few, the next best engine here')
    expect(await named({ require: { descriptorLimit: null } })).toContain('choose many,')
    expect(await named({ drive: 'inline' })).toContain('choose ring,')
    expect(await named({ require: { halfClose: true, closeWhilePaused: true } })).toBe('npm install gone')
  })

  test('that nobody has is refused, naming those there are', async () => {
    const error = await refusal([few, ring], { name: 'rign' })
    expect(error).toMatchObject({
      code: 'ERR_BACKEND_UNAVAILABLE',
      backend: 'rign',
      reason: 'ERR_UNKNOWN_BACKEND',
    })
    expect(error.remedy).toContain('known are few, ring, auto')
  })
})

describe('shortages are no reason to choose another engine', () => {
  test.each(['ENOMEM', 'EMFILE', 'ENFILE', 'ENOBUFS'])('%s propagates as it is', async (code) => {
    const shortage = new SockError('short', { code })
    const short = backend('ring', both, shortage)
    expect(await refusal([short, few])).toBe(shortage)
    expect(await refusal([short, few], { name: 'ring' })).toBe(shortage)
    const loading: Fake = () => ({ name: 'ring', load: () => Promise.reject(shortage) })
    expect(await refusal([loading, few])).toBe(shortage)
  })
})

describe('require', () => {
  const table: [require: Requirements, supports: Partial<Capabilities>, fits: boolean][] = [
    [{}, {}, true],
    [{ descriptorLimit: 1024 }, { descriptorLimit: 1024 }, true],
    [{ descriptorLimit: 1025 }, { descriptorLimit: 1024 }, false],
    [{ descriptorLimit: 0 }, { descriptorLimit: 1024 }, true],
    [{ descriptorLimit: 1_000_000 }, { descriptorLimit: null }, true],
    [{ descriptorLimit: null }, { descriptorLimit: null }, true],
    [{ descriptorLimit: null }, { descriptorLimit: 1_000_000 }, false],
    [{ multishot: true }, { multishot: true }, true],
    [{ multishot: true }, { multishot: false }, false],
    [{ multishot: false }, { multishot: true }, true],
    [{ multishot: false }, { multishot: false }, true],
    [{ multishot: true, halfClose: true }, { multishot: true, halfClose: false }, false],
    [{ drives: ['inline'] }, { drives: ['inline', 'thread'] }, true],
    [{ drives: ['inline', 'thread'] }, { drives: ['thread'] }, false],
    [{ drives: [] }, {}, true],
    [{ multishot: undefined } as object, {}, true],
  ]
  test.each(table)('%j of %j: %j', async (require, supports, fits) => {
    const { choice } = await choose([backend('one', supports)], { require })
    expect(!(choice instanceof Error)).toBe(fits)
  })

  test('counts the drives that work here', async () => {
    const bun = backend('bun', both, { drives: ['thread'] })
    expect((await refusal([bun], { name: 'bun', require: { drives: ['inline'] } })).reason).toBe(
      'ERR_MISSING_CAPABILITY',
    )
  })

  test.each<[options: object, code: string, named: string]>([
    [{ require: { multishots: true } }, 'ERR_UNKNOWN_OPTION', 'multishots'],
    [{ require: { toString: true } }, 'ERR_UNKNOWN_OPTION', 'toString'],
    [{ require: { multishot: 1 } }, 'ERR_INVALID_ARG_TYPE', 'require.multishot'],
    [{ require: { multishot: null } }, 'ERR_INVALID_ARG_TYPE', 'require.multishot'],
    [{ require: { descriptorLimit: '5000' } }, 'ERR_INVALID_ARG_TYPE', 'require.descriptorLimit'],
    [{ require: { descriptorLimit: Number.NaN } }, 'ERR_OUT_OF_RANGE', 'require.descriptorLimit'],
    [{ require: { descriptorLimit: -1 } }, 'ERR_OUT_OF_RANGE', 'require.descriptorLimit'],
    [{ require: { drives: 'inline' } }, 'ERR_INVALID_ARG_TYPE', 'require.drives'],
    [{ require: { drives: ['inlined'] } }, 'ERR_INVALID_ARG_TYPE', 'require.drives'],
    [{ require: 'all' }, 'ERR_INVALID_ARG_TYPE', 'options.require'],
    [{ require: null }, 'ERR_INVALID_ARG_TYPE', 'options.require'],
    [{ drive: 'fast' }, 'ERR_INVALID_ARG_VALUE', 'options.drive'],
  ])('%j: %s', async (options, code, named) => {
    const error = await refusal([ring], options)
    expect(error.code).toBe(code)
    expect(error.message).toContain(named)
  })
})

test.each<[why: Partial<Unavailable>, instead: string | undefined, remedy: string]>([
  [{ remedy: 'mend it' }, undefined, 'mend it'],
  [{ remedy: 'mend it' }, 'few', 'mend it; or choose few, the next best engine here'],
  [{ remedy: '' }, undefined, 'choose another engine'],
  [{ remedy: '' }, 'few', 'choose few, the next best engine here'],
  [{ remedy: 'mend it', caution: 'careful' }, undefined, 'careful: choose another engine; mend it'],
  [
    { remedy: 'mend it', caution: 'careful' },
    'few',
    'careful: choose few, the next best engine here; mend it',
  ],
])('the remedy for %j, instead %j', (why, instead, remedy) => {
  expect(remedyFor({ reason: 'EPERM', message: 'no', remedy: '', ...why }, instead)).toBe(remedy)
})
