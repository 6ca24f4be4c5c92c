import process from 'node:process'
import { expect, test } from 'vitest'
import { RunState } from '../src/run-state'

/** A run state, and what it has asked of the native half. */
function runOf() {
  const calls: string[] = []
  const native = {
    keepAlive: (alive: boolean) => void calls.push(alive ? 'alive' : 'not alive'),
    stop: () => void calls.push('stop'),
    join: () => void calls.push('join'),
    dispose: () => void calls.push('dispose'),
  }
  return { calls, run: new RunState(native as never) }
}

const exitListeners = (): number => process.listenerCount('exit')

test('holds the process from the first listener or connection to the last', () => {
  const { calls, run } = runOf()
  run.hold()
  run.hold()
  run.letGo()
  expect(calls).toEqual(['alive'])
  run.letGo()
  expect(calls).toEqual(['alive', 'not alive'])
  void run.stop(() => {})
  run.end()
})

test('unreferenced it does not, until it stops', async () => {
  const { calls, run } = runOf()
  run.unref()
  run.hold()
  expect(calls).toEqual([])
  run.ref()
  run.unref()
  expect(calls.splice(0)).toEqual(['alive', 'not alive'])
  const stopped = run.stop(() => calls.push('close all'))
  expect(run.stop(() => calls.push('again'))).toBe(stopped)
  expect(calls.splice(0)).toEqual(['close all', 'stop', 'alive'])
  expect(run.stopping && !run.ended).toBe(true)
  run.letGo()
  run.end()
  run.end()
  expect(calls).toEqual(['join', 'not alive'])
  await stopped
})

test('with a drain it stops the engine when nothing is left, or at the next call without', async () => {
  for (const how of ['gone', 'stop']) {
    const { calls, run } = runOf()
    run.hold()
    run.hold()
    const stopped = run.stop(() => calls.push('close all'), true)
    expect(run.stop(() => calls.push('again'), true)).toBe(stopped)
    run.letGo()
    expect(calls.splice(0)).toEqual(['alive', 'close all'])
    if (how === 'gone') run.letGo()
    else expect(run.stop(() => calls.push('again'))).toBe(stopped)
    expect(run.stop(() => calls.push('again'))).toBe(stopped)
    expect(calls.splice(0)).toEqual(['stop'])
    run.end()
    await stopped
  }
})

test('what never started stops at once', async () => {
  const { calls, run } = runOf()
  await run.stop(() => calls.push('close all'))
  expect(calls).toEqual(['join'])
  expect(run.ended).toBe(true)
  expect(() => run.assertRunning()).toThrow(expect.objectContaining({ code: 'ERR_STOPPED' }))
})

test('listens for the exit of the process while one of them runs, and no longer', () => {
  const before = exitListeners()
  const runs = [runOf().run, runOf().run]
  for (const run of runs) run.hold()
  expect(exitListeners()).toBe(before + 1)
  for (const run of runs) {
    expect(exitListeners()).toBe(before + 1)
    void run.stop(() => {})
    run.end()
  }
  expect(exitListeners()).toBe(before)
})
