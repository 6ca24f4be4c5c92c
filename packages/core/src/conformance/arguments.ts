import assert from 'node:assert/strict'
import { types } from 'node:util'
import { bytesOf, type Sendable } from '../bytes'
import { describe, SockError } from '../errors'
import type { ConnectionId, EventName, Rejection, SockMan } from '../sock-man'
import { assertBytes, pattern } from './bytes'
import type { Case } from './harness'
import { hostile, oddValues, thrown } from './odd-values'
import type { Trial } from './trial'

const TYPE = 'ERR_INVALID_ARG_TYPE'
const RANGE = 'ERR_OUT_OF_RANGE'

/** The code of the error that answers a value, undefined where the value is a valid one. */
type Rule = (value: unknown) => string | undefined

const optional =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined ? undefined : rule(value)
const flag = optional((value) => (typeof value === 'boolean' ? undefined : TYPE))
const whole = (min: number, max: number): Rule =>
  optional((value) => {
    if (typeof value !== 'number') return TYPE
    return Number.isInteger(value) && value >= min && value <= max ? undefined : RANGE
  })
const always =
  (code: string): Rule =>
  () =>
    code
/** A number is a port. */
const address: Rule = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 65_536
    ? undefined
    : 'ERR_INVALID_ADDRESS'
const named: Rule = (value) => (typeof value === 'number' ? 'ERR_UNKNOWN_CONNECTION' : TYPE)
const number: Rule = (value) => (typeof value === 'number' ? undefined : TYPE)
/** Functions are not called, for most of these throw. */
const noFunction: Rule = (value) => (typeof value === 'function' ? undefined : TYPE)
/** An object that answers. */
const object: Rule = (value) => {
  try {
    if (typeof value === 'object' && value !== null && Object.keys(value)) return undefined
  } catch {
    // A proxy that is revoked.
  }
  return TYPE
}
/** An object whose own keys are all options: there are none among the odd values. */
const options = optional(
  (value) => object(value) ?? (Object.keys(value as object).length > 0 ? 'ERR_UNKNOWN_OPTION' : undefined),
)
/** The same, where there has to be one. */
const required =
  (rule: Rule): Rule =>
  (value) =>
    value === undefined ? TYPE : rule(value)
const list = optional((value) => object(value) ?? (Array.isArray(value) ? undefined : TYPE))
const data: Rule = (value) => {
  if (typeof value === 'string' || types.isAnyArrayBuffer(value)) return undefined
  // Those that have none are detached.
  return ArrayBuffer.isView(value) && value.buffer.byteLength > 0 ? undefined : TYPE
}

const EVENT_NAMES: readonly EventName[] = [
  'onAccepted',
  'onConnected',
  'onConnectFailed',
  'onData',
  'onEof',
  'onError',
  'onReadyToSend',
  'onSent',
  'onListenError',
  'onClosed',
  'onBatchEnd',
]
const TCP = {
  noDelay: flag,
  keepAlive: whole(0, 32_767_000),
  keepAliveInterval: optional((value) => (typeof value === 'number' ? RANGE : TYPE)),
  keepAliveCount: whole(1, 127),
  userTimeout: whole(0, 2 ** 31 - 1),
}
const CONNECTION = { events: optional(object), ...TCP }
const LISTEN = {
  ...CONNECTION,
  backlog: whole(1, 65535),
  reusePort: flag,
  ipv6Only: flag,
  allowList: optional(always(TYPE)),
  blockList: optional(always(TYPE)),
}
const CONNECT = {
  ...CONNECTION,
  timeout: whole(0, 2 ** 31 - 1),
  signal: optional(always(TYPE)),
  localAddress: optional(address),
}
const SEND = { borrow: flag, more: flag, notify: flag }
const CLOSE = { flush: flag, timeout: whole(0, 2 ** 31 - 1), reset: flag }
const SOCK_MAN = {
  drive: optional(always('ERR_INVALID_ARG_VALUE')),
  receiveBlock: whole(4096, 2 ** 24),
  receivePool: whole(8192, 2 ** 30),
  receivePoolMax: whole(8192, 2 ** 30),
  receiveWindow: whole(4096, 2 ** 30),
  sendHighWater: whole(0, Number.MAX_SAFE_INTEGER),
  sendQueueMax: whole(1, Number.MAX_SAFE_INTEGER),
  sendTotalMax: whole(1, Number.MAX_SAFE_INTEGER),
  copyThreshold: whole(0, 2 ** 18),
  batchLimit: whole(1, 2 ** 20),
  maxConnections: whole(0, 2 ** 20),
  poison: flag,
}

/** An argument, or a part of one. */
interface Place {
  readonly call: string
  /** As errors name it. */
  readonly argument: string
  /** What of it is tried: all of it, or a part that errors do not name. */
  readonly part: string
  readonly rule: Rule
  /** Makes the call, checks its answer, and undoes what came of it. */
  make(value: unknown): void
}

/** The making of a place: `make` gets the value as whatever the call is declared to take. */
const place =
  (call: string) =>
  (argument: string, rule: Rule, make: (value: never) => unknown, part = argument): Place => ({
    call,
    argument,
    part,
    rule,
    make: (value) => void make(value as never),
  })

/** The handlers of an events object. */
function inEvents(call: string, argument: string, make: (events: never) => unknown): Place[] {
  return EVENT_NAMES.map((name) =>
    place(call)(
      `${argument}.${name}`,
      optional(noFunction),
      (value) => typeof value === 'function' || make({ [name]: value } as never),
    ),
  )
}

/** An options object, each of its options, each handler of its events. */
function inOptions(
  call: string,
  known: Readonly<Record<string, Rule>>,
  make: (options: never) => unknown,
): Place[] {
  return [
    place(call)('options', options, make),
    ...Object.entries(known).map(([key, rule]) =>
      place(call)(`options.${key}`, rule, (value) => make({ [key]: value } as never)),
    ),
    ...('events' in known ? inEvents(call, 'options.events', (events) => make({ events } as never)) : []),
  ]
}

/** The calls that begin something. */
async function beginnings({ network }: Trial, man: SockMan): Promise<Place[]> {
  const here = network.address()
  const there = await network.refusing()
  /** What is given away is no descriptor of anybody's, so that nothing is adopted. */
  const adopt = (call: 'adopt' | 'adoptListener', options: object): void => {
    try {
      man[call]({ release: () => 2 ** 31 - 1 }, options)
    } catch (error) {
      if (!['ERR_FD_NOT_SELECTABLE', 'ENOTSOCK'].includes((error as SockError).code)) throw error
    }
  }
  const adopting = (call: 'adopt' | 'adoptListener', known: Readonly<Record<string, Rule>>): Place[] => [
    place(call)('sock', always(TYPE), (sock) => man[call](sock)),
    place(call)(
      'sock',
      noFunction,
      (release) => typeof release === 'function' || man[call]({ release }),
      'sock.release',
    ),
    // 0 is a descriptor, of either sign.
    place(call)(
      'sock.release()',
      (value) => number(value) ?? (value === 0 ? undefined : RANGE),
      (value) => value === 0 || man[call]({ release: () => value }),
    ),
    ...inOptions(call, known, (options) => adopt(call, options)),
  ]
  return [
    place('listen')('address', address, (value) => man.listen(value).close()),
    ...inOptions('listen', LISTEN, (options) => man.listen(here, options).close()),
    place('connect')('address', address, (value) => man.close(man.connect(value))),
    ...inOptions('connect', CONNECT, (options) => assert.ok(man.close(man.connect(there, options)))),
    ...adopting('adopt', CONNECTION),
    ...adopting('adoptListener', LISTEN),
  ]
}

/** The calls about a connection; what is sent to the live one goes to `sent` too. */
function calls(man: SockMan, live: ConnectionId, sent: Uint8Array[]): Place[] {
  const nobody = 0 as ConnectionId
  const send = (data: Sendable, options?: object): void => {
    man.send(live, data, options)
    sent.push(bytesOf('data', data))
  }
  const close = (options: object): void => {
    try {
      assert.equal(man.close(nobody, options), false)
    } catch (error) {
      // What is refused closes nothing.
      man.close(live, options)
      throw error
    }
  }
  return [
    place('send')('id', named, (value) => man.send(value, Buffer.from('x'))),
    place('send')('data', data, (data) => send(data)),
    ...inOptions('send', SEND, (options) => send(Buffer.from('.'), options)),
    place('pause')('id', number, (value) => man.pause(value)),
    place('resume')('id', number, (value) => man.resume(value)),
    place('shutdown')('id', number, (value) => man.shutdown(value)),
    place('close')('id', number, (value) => assert.equal(man.close(value), false)),
    ...inOptions('close', CLOSE, close),
    place('connectionStats')('id', named, (value) => man.connectionStats(value)),
    place('addresses')('id', named, (value) => man.addresses(value)),
    place('setEvents')('id', number, (value) => assert.equal(man.setEvents(value), false)),
    place('setEvents')('events', optional(object), (events) => man.setEvents(nobody, events)),
    ...inEvents('setEvents', 'events', (events) => man.setEvents(nobody, events)),
    place('setOptions')('id', number, (value) => assert.equal(man.setOptions(value, {}), false)),
    place('setOptions')('options', required(options), (options) => man.setOptions(nobody, options)),
    ...inOptions('setOptions', TCP, (options) => man.setOptions(live, options)).slice(1),
  ]
}

/** Those of a creation; what is created goes to `made`. */
function creation({ facts: { backend, drive } }: Trial, made: SockMan[]): Place[] {
  const create = (events: object, options?: object, rejected?: readonly Rejection[]): void =>
    void made.push(backend.createSockMan(events, options, rejected))
  return [
    place('createSockMan')('events', object, (events) => create(events)),
    ...inEvents('createSockMan', 'events', (events) => create(events)),
    ...inOptions('createSockMan', SOCK_MAN, (options) => create({}, options)),
    place('createSockMan')('rejected', list, (rejected) => create({}, { drive }, rejected)),
  ]
}

/** What is wrong with the answer, if anything. */
function judge({ argument, part, rule, make }: Place, value: unknown): string | undefined {
  const code = rule(value)
  try {
    make(value)
  } catch (error) {
    if (!(error instanceof SockError)) return `${error}`
    if (error.code !== code) return `${error.code} instead of ${code}: ${error.message}`
    const { message } = error
    if (!/ARG|RANGE/.test(code)) return undefined
    const isNamed =
      message.startsWith(`${argument} must `) && (part !== argument || message.includes(describe(value)))
    return isNamed ? undefined : `says only: ${message}`
  }
  return code && `no ${code}`
}

/** Tries every value in every place. */
function tryAll(places: readonly Place[], values: Readonly<Record<string, unknown>>): void {
  const wrong = places.flatMap((each) =>
    Object.entries(values).flatMap(([name, value]) => {
      const reproach = judge(each, value)
      return reproach === undefined ? [] : [`${each.call}, ${each.part} = ${name}: ${reproach}`]
    }),
  )
  assert.deepEqual(wrong, [], `${wrong.length} answers:\n${wrong.join('\n')}`)
}

/** What is read, so that its owner's code runs. */
const READ: ReadonlySet<string> = new Set([
  'address',
  'options.localAddress',
  'sock',
  'events',
  'options',
  'options.events',
])

/** C84: arguments. */
export const oddArguments: readonly Case[] = [
  {
    title: 'C84 every argument of every call: odd values get a typed answer and touch nobody',
    async run(trial) {
      const sent: Uint8Array[] = []
      const watched = trial.open()
      const { man, log } = watched
      const { id, peer } = await trial.inbound(watched)
      const { connections, listeners } = man.stats()
      tryAll([...(await beginnings(trial, man)), ...calls(man, id, sent)], oddValues(id))
      while (man.stats().connections > connections || man.stats().listeners > listeners)
        await trial.network.sleep(1)
      const bytes = Buffer.concat(sent)
      assertBytes(await peer.receive(bytes.length), bytes)
      const question = pattern(5000)
      await peer.send(question)
      man.send(id, await log.receive(id, question.length))
      assertBytes(await peer.receive(question.length), question)
      assert.equal(man.connectionStats(id).paused, false)
    },
  },
  {
    title: 'C84 every argument of a creation: odd values get a typed answer and leave nothing open',
    deadline: [20_000, 60_000],
    async run(trial) {
      const made: SockMan[] = []
      try {
        tryAll(creation(trial, made), oddValues(1))
      } finally {
        await Promise.all(made.map((man) => man.stop()))
      }
    },
  },
  {
    title: 'C84 what code of the caller’s throws is passed on as it is',
    async run(trial) {
      const watched = trial.open()
      const { man } = watched
      const { id, peer } = await trial.inbound(watched)
      const places = [...(await beginnings(trial, man)), ...calls(man, id, []), ...creation(trial, [])]
      for (const { call, part, make } of places) {
        if (!READ.has(part)) continue
        const isThrown = (error: unknown): boolean => error === thrown
        assert.throws(() => make(hostile() as never), isThrown, `${call}, ${part}`)
      }
      await peer.send(Buffer.from('x'))
      await watched.log.receive(id, 1)
    },
  },
]
