import { expect, test } from 'vitest'
import { assertFast, median, Stopwatch, type Taken, timed, within } from '../src/conformance/limit'
import type { PeerNetwork } from '../src/conformance/peers'

/** A clock that stands still but for what `pass` says; its ms are so many that none of this machine's count. */
class Clock {
  readonly realTime: boolean
  ms = 0

  constructor(realTime = true) {
    this.realTime = realTime
  }

  now(): number {
    return this.ms * 1e6
  }

  async pass(ms: number): Promise<void> {
    this.ms += ms
  }
}

const network = (clock: Clock): PeerNetwork => clock as unknown as PeerNetwork
const PROMISED = 100e6
const control = (...ms: number[]) => {
  let asked = 0
  return async (): Promise<number> => ms[asked++ % ms.length]! * 1e6
}

test('an act that takes longer than promised fails, after so many attempts, and the message has all measures', async () => {
  const clock = new Clock()
  let tried = 0
  const act = (): Promise<Taken> => timed(network(clock), () => clock.pass(300 + tried++))
  const failed = assertFast(network(clock), { promised: PROMISED, attempts: 3, control: control(33) }, act)
  await expect(failed).rejects.toThrow(/300000000.*301000000.*302000000.*not under/)
  expect(tried).toBe(3)
})

test.each([
  ['before', [101, 1]],
  ['after', [1, 101]],
])('three times the control is allowed, measured %s', async (_, controls) => {
  const clock = new Clock()
  const act = (): Promise<Taken> => timed(network(clock), () => clock.pass(300))
  await assertFast(network(clock), { promised: PROMISED, control: control(...controls) }, act)
})

test('where no time passes but by its own clock the promise alone counts, and no control is asked', async () => {
  const clock = new Clock(false)
  const act = (): Promise<Taken> => timed(network(clock), () => clock.pass(101))
  const asked = (): never => expect.unreachable()
  await expect(assertFast(network(clock), { promised: PROMISED, control: asked }, act)).rejects.toThrow()
  expect((await act()).waited).toBe(0)
})

test('time without a CPU comes on top of the promise', async () => {
  const limit = { promised: 100 }
  await assertFast(network(new Clock()), limit, async () => ({ took: 150, waited: 51 }))
  const failed = assertFast(network(new Clock()), limit, async () => ({ took: 150, waited: 50 }))
  await expect(failed).rejects.toThrow('150.00 (50.00 without a CPU')
})

test('a stopwatch counts what threads of this process waited, and no less each time', () => {
  const watch = new Stopwatch(network(new Clock()))
  const first = watch.read().waited
  expect(first).toBeGreaterThanOrEqual(0)
  expect(watch.read().waited).toBeGreaterThanOrEqual(first)
})

test('the median is that of the time with a CPU', async () => {
  const values = [
    { took: 9, waited: 8 },
    { took: 3, waited: 0 },
    { took: 2, waited: 0 },
  ]
  expect(await median(3, async (index) => values[index]!)).toEqual({ took: 2, waited: 0 })
})

test('a deadline ends a hang, and not what is in time', async () => {
  await expect(within(20, 'it has not ended', new Promise(() => {}))).rejects.toThrow(
    'it has not ended after',
  )
  expect(await within(1000, 'it has not ended', Promise.resolve('in time'))).toBe('in time')
})
