import { describe, expect, it } from 'vitest'
import { overlap, pairedRatio, summarize } from '../src/measure/statistics'

describe('summarize', () => {
  it('is the range below six values, and says how little that is', () => {
    expect(summarize([3])).toEqual({ median: 3, low: 3, high: 3, coverage: 0, count: 1 })
    expect(summarize([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3, coverage: 0.75, count: 3 })
  })

  it('has the order statistics of the binomial table', () => {
    // n = 9: ranks 2 and 8 cover the median with 96.09 %; n = 7: only the range does, with 98.44 %.
    const nine = summarize([9, 8, 7, 6, 5, 4, 3, 2, 1])
    expect([nine.low, nine.median, nine.high]).toEqual([2, 5, 8])
    expect(nine.coverage).toBeCloseTo(0.9609, 4)
    const seven = summarize([1, 2, 3, 4, 5, 6, 7])
    expect([seven.low, seven.high]).toEqual([1, 7])
    expect(seven.coverage).toBeCloseTo(0.9844, 4)
    expect(summarize([1, 2, 3, 4]).median).toBe(2.5)
  })
})

describe('comparison', () => {
  it('pairs by round', () => {
    const ratio = pairedRatio(
      new Map([
        [0, 4],
        [1, 10],
        [2, 9],
      ]),
      new Map([
        [0, 2],
        [1, 5],
        [3, 1],
      ]),
    )
    expect(ratio).toMatchObject({ median: 2, low: 2, high: 2, count: 2 })
    expect(pairedRatio(new Map([[0, 1]]), new Map())).toBeUndefined()
  })

  it('knows overlapping intervals', () => {
    const [low, middle, high] = [summarize([1, 2, 3]), summarize([3, 4, 5]), summarize([4, 5, 6])]
    expect(overlap(low!, middle!)).toBe(true)
    expect(overlap(low!, high!)).toBe(false)
  })
})
