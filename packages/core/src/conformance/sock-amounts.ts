import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readdirSync, readlinkSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { WarningMessage } from '../diagnostics'
import type { SockCase, SockKind } from './sock-case'

/** Sockets that this process has open. */
function sockets(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // the directory's own
    }
  })
  return links.filter((link) => link.startsWith('socket:')).length
}

/** Opens so many and forgets them. */
function drop(kind: SockKind, count: number): void {
  for (let n = 0; n < count; n++) kind.create!('unix')
}

/** Dropped at a time: below any limit on descriptors, and select's. */
const BATCH = 500

/** No descriptor is left, however many there were. */
export const sockAmounts: readonly SockCase[] = [
  {
    title: 'a million Socks (quick: 20 000) created and disposed: no descriptor left',
    needs: 'create',
    run(kind, full) {
      const before = sockets()
      for (let n = 0; n < (full ? 1_000_000 : 20_000); n++) kind.create!('unix')[Symbol.dispose]()
      assert.equal(sockets(), before)
    },
    deadline: [10_000, 60_000],
  },
  {
    title: '100 000 Socks (quick: 2 000) created and dropped: collected, closed and warned about',
    needs: 'create',
    async run(kind, full) {
      const amount = full ? 100_000 : 2000
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      let warnings = 0
      const count = (message: unknown): void => {
        if ((message as WarningMessage).code === 'SOCK_NOT_CLOSED') warnings++
      }
      subscribe('sockman:warning', count)
      try {
        const before = sockets()
        for (let dropped = BATCH; dropped <= amount; dropped += BATCH) {
          drop(kind, BATCH)
          // The last one may still be in a register: the next batch drives it out.
          while (warnings < dropped - 1) {
            collect()
            await turn()
          }
        }
        drop(kind, BATCH)
        while (warnings < amount || sockets() > before + 1) {
          collect()
          await turn()
        }
      } finally {
        unsubscribe('sockman:warning', count)
      }
    },
    deadline: [20_000, 120_000],
  },
]
