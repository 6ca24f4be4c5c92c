import { describe, expect, test } from 'vitest'
import { candidates } from '../src'
import { formatMeasurement } from '../src/doctor/report'
import { measure, type RowTrials, recommend, summarizeRows } from '../src/measure'

const TIMES = { warmUp: 0.02, download: 0.05, ping: 0.05 }

const rows: string[] = []
for (const { name, load } of candidates) {
  const backend = await load()
  const probe = 'probe' in backend ? backend.probe() : undefined
  if (probe?.available) rows.push(...probe.drives.map((drive) => `${name}:${drive}`))
}

test('every row that works is measured, in turns', async () => {
  const steps: string[] = []
  const trials = await measure(rows, {
    trials: 2,
    times: TIMES,
    progress: ({ row, number, total }) => steps.push(`${number}/${total} ${row}`),
  })
  const order = [...rows, ...rows.slice(1), rows[0]]
  expect(steps).toEqual(order.map((row, index) => `${index + 1}/${2 * rows.length} ${row}`))
  expect(trials.map(({ row }) => row)).toEqual(rows)
  for (const { download, ping } of trials.flatMap(({ trials }) => trials)) {
    expect(download.bytes).toBeGreaterThan(0)
    expect(download.seconds).toBeGreaterThanOrEqual(TIMES.download * 0.9)
    expect(download.cpu).toBeGreaterThan(0)
    expect(ping.count).toBeGreaterThan(0)
    expect(ping.p99).toBeGreaterThanOrEqual(ping.p50)
    // One after the other: all of them took the time there was.
    expect(ping.count * ping.p50).toBeLessThan(3 * TIMES.ping * 1e6)
  }
  expect(rows).toContain(recommend(trials).row)
  const text = formatMeasurement(summarizeRows(trials), recommend(trials))
  for (const row of rows) expect(text).toContain(`│ ${row} `)
  expect(text).toMatch(/Recommended here: /)
})

test('a row that does not run is an error with its reason', async () => {
  await expect(measure(['nope'], { trials: 1, times: TIMES })).rejects.toMatchObject({
    name: 'MeasureError',
    message: expect.stringContaining('no engine is called "nope"'),
  })
})

test('an abort ends it with its reason, whenever it comes', async () => {
  const reason = new Error('enough')
  await expect(measure(rows, { abort: AbortSignal.abort(reason) })).rejects.toBe(reason)
  for (const after of [1, 2]) {
    const abort = new AbortController()
    const progress = ({ number }: { number: number }) => {
      if (number === after) setImmediate(() => abort.abort(reason))
    }
    await expect(measure([rows[0]!], { abort: abort.signal, times: TIMES, progress })).rejects.toBe(reason)
  }
})

describe('recommend', () => {
  /** GB/s and round trip of each trial. */
  const row = (row: string, rates: number[], p50s: number[]): RowTrials => ({
    row,
    trials: rates.map((rate, index) => ({
      download: { bytes: rate * 1e9, seconds: 1, cpu: 1 },
      ping: { count: 1, p50: p50s[index]!, p99: 100 },
    })),
  })
  const seven = (from: number, step = 0) => Array.from({ length: 7 }, (_, index) => from + index * step)

  test('the fastest download, by its margin', () => {
    const result = recommend([row('a', seven(2), seven(10)), row('b', seven(3), seven(50))])
    expect(result).toEqual({
      row: 'b',
      why: 'it downloads 1.50 [1.50–1.50] times as fast as the next, a',
      withinNoise: [],
    })
  })

  test('pairs rounds: a machine that slows down slows all', () => {
    const slowing = [4, 3.5, 3, 2.5, 2, 1.5, 1]
    const faster = slowing.map((rate) => rate * 1.1)
    expect(recommend([row('a', slowing, seven(10)), row('b', faster, seven(10))]).row).toBe('b')
  })

  test('within the noise of the download the round trip decides', () => {
    const noisy = [2, 4, 2, 4, 2, 4, 2]
    const result = recommend([
      row('a', noisy, seven(20)),
      row('b', seven(3), seven(10)),
      row('c', seven(1), seven(1)),
    ])
    expect(result).toMatchObject({ row: 'b', withinNoise: [] })
    expect(result.why).toContain('within the noise of a,')
    expect(result.why).toContain('a takes 2.00 [2.00–2.00] times as long')
  })

  test('within the noise of both the first is named, and said so', () => {
    const result = recommend([
      row('a', [2, 4, 2, 4, 2, 4, 2], [9, 11, 9, 11, 9, 11, 9]),
      row('b', seven(3), seven(10)),
    ])
    expect(result).toMatchObject({ row: 'a', withinNoise: ['b'] })
    expect(result.why).toContain('the difference to b is within the noise')
  })

  test('one row alone', () => {
    expect(recommend([row('a', [1], [1])])).toMatchObject({ row: 'a', withinNoise: [] })
  })
})
