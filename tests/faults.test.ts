import { beforeAll, describe, expect, test } from 'vitest'
import { type Case, faultsOf, play, type Toured } from './faults/cases'
import { points } from './faults/points'
import { requireRow, rows } from './rows'
import { full } from './size'

/** `npm test` plays a part of the cases, chosen by this; `SOCKMAN_SUITE=full` all of them. */
const seed = Number(process.env.SOCKMAN_FAULT_SEED ?? Math.floor(Math.random() * 2 ** 31))
const share = full ? 1 : 0.15
/** At most so many calls of a point fail in turn, but for the one that fails with each errno. */
const SITES = full ? 40 : 0

/** Of 0 to 1, the same for the same text and seed. */
function chance(text: string): number {
  let hash = seed ^ 0x9e3779b9
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x85ebca6b) ^ (hash >>> 13)
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35)
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32
}

if (!full) console.log(`C76: the cases of SOCKMAN_FAULT_SEED=${seed}`)

for (const row of rows) {
  const place = { backend: row.backend.name, drive: row.drive }
  const cases: Case[] = Object.entries(points)
    .filter(([, { on }]) => on?.(place) ?? true)
    .flatMap(([point, { errnos, nth, times = 1 }]) =>
      errnos.map((code) => ({ point, nth: nth?.(place) ?? 1, code, times })),
    )
  const chosen = cases.filter(({ point, code }) => chance(`${row.name} ${point} ${code}`) < share)
  const sites = Object.entries(points)
    .filter(([, { on }]) => on?.(place) ?? true)
    .flatMap(([point, { errnos, nth, times = 1 }]) =>
      Array.from(
        { length: SITES },
        (_, at): Case => ({ point, nth: at + 1, code: errnos[0]!, times }),
      ).filter((each) => each.nth !== (nth?.(place) ?? 1)),
    )

  describe(`C76 ${row.name}`, () => {
    let clean: Toured
    let ended: ReadonlyMap<Case, Toured | string>
    let exits: readonly string[]

    beforeAll(async () => {
      const { available } = row.backend.probe()
      if (!available) return
      ;({ clean, ended, exits } = await play(place, chosen))
    }, 600_000)

    test('the tour comes to every point of the engine, and to no other', (context) => {
      requireRow(row, context)
      expect(clean.seen).toEqual([])
      expect(clean.left).toEqual(clean.before)
      expect(Object.keys(clean.calls).sort()).toEqual([...new Set(cases.map(({ point }) => point))].sort())
    })

    test('afterwards the process ends by itself, in order', (context) => {
      requireRow(row, context)
      for (const exit of exits) expect(exit).toMatch(/^exit code 0 /)
    })

    for (const each of chosen) {
      test(`${each.point} ${each.code}`, (context) => {
        requireRow(row, context)
        expect(faultsOf(place, each, ended.get(each)!, clean, true)).toEqual([])
      })
    }

    test.skipIf(SITES === 0)(
      'each other call of each point',
      async (context) => {
        requireRow(row, context)
        const reached = sites.filter(({ point, nth }) => nth <= (clean.calls[point] ?? 0))
        const { ended, exits } = await play(place, reached)
        const wrong = reached.flatMap((each) =>
          faultsOf(place, each, ended.get(each)!, clean, false).map(
            (text) => `${each.point} #${each.nth}: ${text}`,
          ),
        )
        console.log(`${row.name}: ${reached.length} other calls`)
        expect(wrong).toEqual([])
        for (const exit of exits) expect(exit).toMatch(/^exit code 0 /)
      },
      600_000,
    )
  })
}
