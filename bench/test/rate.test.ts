import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Cost, RatePoint, RateResult } from '../src/rate/rate'
import { formatRate } from '../src/rate/report'
import { Cli, childrenOf, runCli } from './cli'
import { workingRows } from './rows'

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
afterAll(() => rmSync(directory, { recursive: true }))

const working = await workingRows()
/** One of each drive. */
const ROWS = ['thread', 'inline'].flatMap((drive) => working.find((row) => row.endsWith(drive)) ?? [])

describe('rate', () => {
  it.each(ROWS)('measures %s and writes its JSON', async (row) => {
    const json = join(directory, 'rate.json')
    const sizes = ['--connections', '1,8', '--rate', '1M', '--seconds', '0.3']
    const { code, stdout, stderr } = await runCli('rate', '--backend', row, ...sizes, '--json', json)
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining(`${row}, send, in all, 8 connections`),
    })
    expect(stdout.match(/^│ \S+ +│ +(receive|send) │/gm)).toHaveLength(8)
    expect(stdout.match(/^│ \S+ +│ +idle │/gm)).toHaveLength(1)
    expect(stdout).toMatch(/off by more than 5 %/i)
    const result = JSON.parse(readFileSync(json, 'utf8')) as RateResult
    expect(result).toMatchObject({
      schemaVersion: 1,
      scenario: 'rate',
      options: { rows: [row], connections: [1, 8], rate: 2 ** 20, seconds: 0.3 },
      idle: [{ row, connections: 100, bytesReceived: 0, bytesSent: 0 }],
    })
    const combinations = result.points.map(
      (point) => `${point.direction}, ${point.limit}, ${point.connections}`,
    )
    expect(new Set(combinations).size).toBe(8)
    for (const point of result.points) {
      expect(point.asked).toBe(2 ** 20 * (point.limit === 'in all' ? 1 : point.connections))
      expect(point.ratio).toBeCloseTo(point.bytesPerSecond / point.asked)
      expect(point.seconds).toBeGreaterThanOrEqual(0.29)
      // No timing: a busy machine may move less; more than this would be no limit at all.
      expect(point.ratio).toBeGreaterThan(0.01)
      expect(point.ratio).toBeLessThan(3)
      expect(point[point.direction === 'send' ? 'bytesReceived' : 'bytesSent']).toBe(0)
      expect(point.cpu.user + point.cpu.system).toBeGreaterThan(0)
      expect(point.wakeupsPerSecond).toBeGreaterThan(0)
    }
  })

  it.each([
    ['net', /net is not available in rate: it has no limits/],
    ['poll:sendRateTotal=1M', /not available in rate: sendRateTotal is what --rate sets/],
  ])('refuses %s', async (row, message) => {
    const { code, stdout, stderr } = await runCli('rate', '--backend', row)
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(message) })
  })

  it('connections that are not accepted end it with 1', async () => {
    const { code, stderr } = await runCli('rate', '--backend', 'poll:maxConnections=2', '--connections', '3')
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('only 2 of 3 connections are accepted'),
    })
  })

  it('Ctrl-C ends the other side: 130', async () => {
    const bench = new Cli(['rate', '--backend', ROWS[0]!, '--seconds', '1000'])
    await bench.says(/1 connections/)
    while (childrenOf(bench.pid).length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    const children = childrenOf(bench.pid)
    bench.kill('SIGINT')
    expect((await bench.end()).code).toBe(130)
    for (const child of children) expect(existsSync(`/proc/${child}`)).toBe(false)
  })

  it('marks the ratios that are off by more than 5 %, and says how busy both sides were', () => {
    const shares = { cpuShare: 0.123, peerCpuShare: 0.99, waitedShare: 0.5, peerWaitedShare: 0.04 }
    const cost = { row: 'poll', connections: 1, ...shares, wakeupsPerSecond: 99.6 }
    const point = { ...cost, direction: 'send', limit: 'in all', asked: 10e6 }
    const ratios = [1.049, 0.951, 0.5, 1.06]
    const text = formatRate({
      options: { rows: undefined, connections: [1], rate: 10e6, seconds: 1 },
      points: ratios.map((ratio) => ({ ...point, ratio, bytesPerSecond: ratio * 10e6 }) as RatePoint),
      idle: [cost as Cost],
    })
    expect(text.match(/\d\.\d{3} \*/g)).toEqual(['0.500 *', '1.060 *'])
    expect(text).toMatch(/│ +1\.049 │ +12\.3 % │ +100 │/)
    expect(text).toContain(
      'poll, send, in all, 1 connections: 0.500, 5.0 of 10.0 MB/s; ' +
        'CPU 12 % and 50 % waiting for one, the other side 99 % and 4 %',
    )
  })
})
