import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SockMan } from '../sock-man'
import type { Trial } from './trial'

/** Times that `assertQuiet` looks before it takes the CPU's use for a spin. */
const LOOKS = 3

/**
 * Asserts that nothing spins for `ms`: hardly a wake-up of each engine, and less than a fifth of a CPU in this process,
 * runner and peers included. A spinning thread takes all of one and wakes thousands of times. A collection of garbage
 * takes some, once: the quietest of three looks counts. (In memory, where `ms` take no time, the wake-ups alone tell.)
 */
export async function assertQuiet(
  { network, supports }: Trial,
  men: SockMan | readonly SockMan[],
  ms: number,
): Promise<void> {
  const all = [men].flat()
  const wakeups = (): number[] => all.map((man) => man.stats().wakeups)
  const used: number[] = []
  while (used.length < LOOKS) {
    const before = wakeups()
    const cpu = process.cpuUsage()
    await network.sleep(ms)
    const { user, system } = process.cpuUsage(cpu)
    const woken = wakeups().map((count, at) => count - before[at]!)
    assert.ok(Math.max(...woken) <= 5, `${woken.join(', ')} wake-ups in ${ms} quiet ms`)
    used.push((user + system) / 1000)
    if (!supports.descriptors || used.at(-1)! < ms / 5) return
  }
  assert.fail(`${used.join(', ')} ms of CPU in ${ms} quiet ms each`)
}

/** Resident bytes of this process after a collection, where the runtime lets us ask for one. */
export function residentMemory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('globalThis.gc') as (() => void) | undefined
  for (let n = 0; n < 3; n++) collect?.()
  return process.memoryUsage.rss()
}

/** The same but for what V8's heap has free and keeps: for growth far beyond a heap's usual ups and downs. */
export function memoryInUse(): number {
  const resident = residentMemory()
  const { heapTotal, heapUsed } = process.memoryUsage()
  return resident - (heapTotal - heapUsed)
}
