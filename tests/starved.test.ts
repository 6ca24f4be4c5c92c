import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { errnoOf } from '@sockman/core'
import { describe, expect, test } from 'vitest'
import { addons } from './faults/cases'
import { requireRow, rows } from './rows'

/** What an engine waits by, and so what it is refused; nothing can be refused to libuv's own wait. */
const MECHANISM: Readonly<Record<string, string>> = {
  epoll: 'epoll_ctl',
  iouring: 'uring_enter',
  poll: 'poll',
  select: 'select',
}
/** An engine pauses for 20 ms before it asks again: 15 times in 300 ms, and for each thing that it was told. */
const ASKED = 60
/** ms of CPU of the 300; a spin takes them all. */
const CPU = 150

interface Starved {
  who: string
  fired: number
  cpu: number
  wakeups?: number
  /** Events of a connect that the kernel has not answered. */
  told?: string[]
  /** What occurred to a wait of the shortage, and to one after it; 1: there is something to read. */
  occurred?: number
  afterwards?: number
}

async function starve(backend: string, drive: string): Promise<Starved[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      fileURLToPath(new URL('fixtures/starved.mjs', import.meta.url)),
      backend,
      drive,
      MECHANISM[backend]!,
      String(errnoOf('ENOMEM')),
    ],
    { env: { ...process.env, SOCKMAN_ADDONS: addons }, timeout: 60_000 },
  )
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Starved)
}

describe('a wait that blocks a worker', () => {
  for (const row of rows) {
    test(`${row.name} sleeps beside a SockMan in the same worker`, async (context) => {
      requireRow(row, context)
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [fileURLToPath(new URL('fixtures/blocked.mjs', import.meta.url)), row.backend.name, row.drive],
        { env: { ...process.env, SOCKMAN_ADDONS: addons }, timeout: 60_000 },
      )
      const { returns, occurred } = JSON.parse(stdout) as { returns: number; occurred: number }
      expect(returns, 'returned to JavaScript').toBeLessThan(ASKED)
      expect(occurred, 'what there was to read, at last').toBe(1)
    })
  }
})

describe('an engine whose wait is refused', () => {
  for (const row of rows.filter(({ backend }) => MECHANISM[backend.name])) {
    test(`${row.name} pauses before it asks again, and goes on afterwards`, async (context) => {
      requireRow(row, context)
      const starved = await starve(row.backend.name, row.drive)
      expect(starved.map(({ who }) => who)).toEqual(['SockMan', 'Sock'])
      // epoll is refused the watching of a descriptor; the others only the wait.
      expect(starved[1]).toMatchObject({ occurred: row.backend.name === 'epoll' ? 5 : 1, afterwards: 1 })
      expect(starved[0]!.told, 'what is refused has found nothing').toEqual([])
      for (const { who, fired, wakeups = 0, cpu } of starved) {
        expect(fired, `${who}: it was not refused`).toBeGreaterThan(0)
        expect(fired, `${who}: asked`).toBeLessThan(ASKED)
        expect(wakeups, `${who}: woke up`).toBeLessThan(ASKED)
        expect(cpu, `${who}: ms of CPU`).toBeLessThan(CPU)
      }
    })
  }
})
