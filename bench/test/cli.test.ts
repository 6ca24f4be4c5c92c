import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { IbdResult } from '../src/ibd/ibd'
import type { RowSummary } from '../src/ibd/report'
import { Cli, childrenOf, runCli } from './cli'
import { workingRows } from './rows'

const directory = mkdtempSync(join(tmpdir(), 'bench-'))
afterAll(() => rmSync(directory, { recursive: true }))

const ROWS = await workingRows('net')

const programOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]!
const serverOf = (pid: number) => childrenOf(pid).find((child) => programOf(child).endsWith('/serve'))!

describe('wrong usage ends with 2 and says what is wrong', () => {
  it.each([
    [['--backend', 'nope'], /unknown row "nope": known are .*iouring.*, poll/],
    [['--backend', 'net:inline'], /net has no inline drive/],
    [['--backend', 'net:buffer=1M'], /net has no setting "buffer", only onread/],
    [['--backend', 'net:onread=big'], /onread is a size/],
    [['--backend', 'poll:receivePol=8M'], /unknown option "receivePol"/],
    [['--backend', 'poll:receivePool=much'], /receivePool takes a number/],
    [['--backend', 'POLL'], /not a backend's name/],
    [['--frobnicate'], /unknown option '--frobnicate'/],
    [['nonsense'], /too many arguments/],
    [['ibd', '--peers', '0'], /integer from 1/],
    [['ibd', '--trials', 'x'], /integer from 1/],
    [['ibd', '--verify', 'all'], /Allowed choices are checksum, none/],
    [['ibd', '--profile', 'huge'], /Allowed choices are quick, full, ci/],
    [['ibd', '--stall-timeout', '-1'], /seconds/],
    [['ibd', '--connect', 'localhost:1'], /dns.lookup/],
    [['ibd', '--blocks', join(directory, 'none')], /no such file or directory/],
    [['serve', '--listen', '127.0.0.1:99999'], /a port is 0 to 65535/],
    [['serve', '--listen', 'unix:/x'], /takes an IP address/],
    [['ping', '--connections', '1,-2'], /integer from 1/],
    [['rate', '--rate', 'fast'], /a size of at least 1 byte/],
    [['rate', '--rate', '0'], /a size of at least 1 byte/],
    [['rate', '--connections', 'x'], /integer from 1/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await runCli(...args)
    expect(stderr).toMatch(message)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })
})

describe('bench', () => {
  it('--help shows commands, rows, exit codes and examples', async () => {
    const { code, stdout } = await runCli('--help')
    expect(code).toBe(0)
    for (const word of [
      'ibd',
      'ping',
      'micro',
      'lines',
      'memory',
      'rate',
      'serve',
      'Exit codes',
      'Examples',
      'net:onread=1M',
    ])
      expect(stdout).toContain(word)
  })

  it('ping refuses rows that a server cannot be', async () => {
    const { code, stderr } = await runCli('ping', '--backend', 'net:raw')
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('net:raw is not available in ping'),
    })
  })
})

describe('memory', () => {
  it('measures the in-memory network and writes its JSON', async () => {
    const json = join(directory, 'memory.json')
    const sizes = ['--connections', '100', '--messages', '1000', '--trials', '2']
    const { code, stdout } = await runCli('memory', ...sizes, '--json', json)
    expect(code).toBe(0)
    expect(stdout).toContain('bytes per connection')
    const result = JSON.parse(readFileSync(json, 'utf8'))
    expect(result).toMatchObject({ scenario: 'memory', connections: 100, messages: 1000, trials: 2 })
    expect(result.chunksPerMessage).toBeGreaterThan(1)
  })
})

describe('ibd', () => {
  it.each(ROWS)('downloads synthetic:large over %s and writes its JSON', async (row) => {
    const json = join(directory, 'result.json')
    const { code, stdout, stderr } = await runCli('ibd', '--backend', row, '--profile', 'ci', '--json', json)
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('trial 1 of 1') })
    expect(stdout).toContain('not the speed of a real initial block download')
    const result = JSON.parse(readFileSync(json, 'utf8')) as IbdResult & { summaries: RowSummary[] } & Record<
        string,
        unknown
      >
    expect(result).toMatchObject({
      schemaVersion: 1,
      scenario: 'ibd',
      machine: {
        cpu: expect.any(String),
        cores: expect.any(Number),
        kernel: expect.stringContaining('Linux'),
        node: process.version,
      },
      options: { peers: 8, trials: 1, laps: 1, warmUpLaps: 1, verify: 'checksum' },
      set: { name: 'synthetic:large', blocks: 128 },
      summaries: [{ row: expect.stringContaining(row), gigabytesPerSecond: { count: 1 }, ratio: null }],
    })
    const [{ trials } = { trials: [] }] = result.rows
    expect(trials).toHaveLength(1)
    for (const trial of trials) {
      expect(trial.checkedBlocks).toBe(256)
      expect(trial.checkedBytes).toBe(2 * result.set!.bytes)
      expect(trial.seconds).toBeGreaterThan(0)
      expect(trial.cpu.user + trial.cpu.system).toBeGreaterThan(0)
      expect(trial.server!.bytesSent).toBeGreaterThan(2 * result.set!.bytes)
      expect(trial.latency.p99).toBeGreaterThanOrEqual(trial.latency.p50)
      expect(trial.eventsPerWakeup === null).toBe(row === 'net')
    }
  })

  it('compares net:raw and net without verification, by ratio', async () => {
    const { code, stdout } = await runCli(
      'ibd',
      '--backend',
      'net,net:raw',
      '--profile',
      'ci',
      '--verify',
      'none',
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/│ net:raw +│ +\d+\.\d\d +│ +\d+\.\d\d/)
  })

  it('net:raw is not available from servers whose block sizes are unknown', async () => {
    const { code, stderr } = await runCli('ibd', '--backend', 'net:raw', '--connect', '127.0.0.1:1')
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('net:raw is not available with --connect'),
    })
  })

  it('downloads from a running serve, which ends with Ctrl-C', async () => {
    const serve = new Cli(['serve'])
    const [, address] = await serve.says(/--connect (\S+) --network regtest/)
    const native = serverOf(serve.pid)
    const { code, stdout } = await runCli('ibd', '--connect', address!, '--backend', 'net')
    expect(code).toBe(0)
    expect(stdout).toMatch(/│ net /)
    serve.kill('SIGINT')
    expect((await serve.end()).code).toBe(130)
    expect(existsSync(`/proc/${native}`)).toBe(false)
  })

  it('a server on another network is no peer: 1', async () => {
    const serve = new Cli(['serve'])
    const [, address] = await serve.says(/--connect (\S+) /)
    const { code, stderr } = await runCli(
      'ibd',
      '--connect',
      address!,
      '--network',
      'mainnet',
      '--backend',
      'net',
    )
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('no peer reachable') })
    serve.kill('SIGINT')
    expect((await serve.end()).stderr).toContain('client dropped: wrong network magic')
  })

  it.each(ROWS)('kill -9 of the server in the middle of a download by %s ends with 1', async (row) => {
    const bench = new Cli(['ibd', '--backend', row, '--trials', '1', '--laps', '100000'])
    await bench.says(/trial 1 of 1/)
    process.kill(serverOf(bench.pid), 'SIGKILL')
    const { code, stderr } = await bench.end()
    expect(stderr).toMatch(/error: the serving process ended \(signal SIGKILL\)/)
    expect(code).toBe(1)
  })

  it('Ctrl-C ends children and server: 130', async () => {
    const bench = new Cli(['ibd', '--backend', 'net', '--trials', '1', '--laps', '100000'])
    await bench.says(/trial 1 of 1/)
    const children = childrenOf(bench.pid)
    bench.kill('SIGINT')
    expect((await bench.end()).code).toBe(130)
    for (const child of children) expect(existsSync(`/proc/${child}`)).toBe(false)
  })
})

describe('ping', () => {
  it.each(ROWS)('measures %s', async (row) => {
    const args = ['--backend', row, '--connections', '1,16', '--trials', '1', '--seconds', '0.2']
    const { code, stdout, stderr } = await runCli('ping', ...args)
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('16 connections, trial 1 of 1'),
    })
    expect(stdout.match(/^│ \S+ +│ +(1|16) │/gm)).toHaveLength(2)
  })
})

const blocks = process.env.SOCKMAN_BLOCKS

describe('real blocks', () => {
  it('arrive over every row, each verified', async ({ skip }) => {
    skip(!blocks, 'SOCKMAN_BLOCKS is not set')
    const json = join(directory, 'real.json')
    const { code, stderr } = await runCli(
      'ibd',
      '--blocks',
      blocks!,
      '--backend',
      ROWS.join(),
      '--trials',
      '1',
      '--laps',
      '2',
      '--json',
      json,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
    const result = JSON.parse(readFileSync(json, 'utf8')) as IbdResult
    expect(result.rows.map(({ named, failure }) => ({ named, failure }))).toEqual(
      ROWS.map((named) => ({ named })),
    )
    for (const { trials } of result.rows) {
      expect(trials[0]!.checkedBlocks).toBe(3 * result.set!.blocks)
      expect(trials[0]!.checkedBytes).toBe(3 * result.set!.bytes)
    }
  })
})
