import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { SockManEvents } from '../../packages/core/src'
import { type Ground, openGround } from '../src/ground'
import { playRound, type RoundReport } from '../src/round'

const MS = 100

async function play(
  seed: number,
  change: (ground: Ground) => Ground = (ground) => ground,
): Promise<RoundReport> {
  return playRound(change(await openGround('memory', seed)), seed, MS)
}

/** A ground whose SockMan has a fault from its `after`th event of the kind on. */
const faulty =
  (after: number, plant: (events: SockManEvents, due: () => boolean) => Partial<SockManEvents>) =>
  (ground: Ground): Ground => ({
    ...ground,
    createSockMan(events, options) {
      let left = after
      return ground.createSockMan({ ...events, ...plant(events, () => --left < 0) }, options)
    },
  })

describe('a round in memory', () => {
  test.each([1, 2, 3])('seed %i: no fault, and the same events when it is played again', async (seed) => {
    const first = await play(seed)
    expect(first.faults).toEqual([])
    expect(first.counts.get('streams compared')).toBeGreaterThan(50)
    const again = await play(seed)
    expect(again.trace).toBe(first.trace)
    expect([...again.counts]).toEqual([...first.counts])
  })
})

/** Each with what the report has to say about it. */
const FAULTS: Readonly<Record<string, readonly [RegExp, (ground: Ground) => Ground]>> = {
  'a chunk is given to another connection': [
    /foreign byte/,
    faulty(200, (events, due) => {
      let previous: Buffer | undefined
      return {
        onData(id, data) {
          const other = previous
          previous = Buffer.from(data)
          events.onData!(id, due() && other ? other : data)
        },
      }
    }),
  ],
  'a chunk is lost': [
    /foreign byte|end of stream after/,
    faulty(200, (events, due) => {
      let lost = false
      return {
        onData(id, data) {
          if (!lost && due()) lost = true
          else events.onData!(id, data)
        },
      }
    }),
  ],
  'the last chunk of a stream comes after its end': [
    /data of id|grammar/,
    faulty(50, (events, due) => {
      return {
        onEof(id) {
          events.onEof!(id)
          if (due()) events.onData!(id, Buffer.from('late'))
        },
      }
    }),
  ],
  'an id ends twice': [
    /second end|grammar/,
    faulty(100, (events, due) => {
      return {
        onClosed(id, unsent) {
          events.onClosed!(id, unsent)
          if (due()) events.onClosed!(id, unsent)
        },
      }
    }),
  ],
  'an id never ends': [
    /has not ended|no onClosed|\d+ of \d+ connections/,
    faulty(100, (events, due) => {
      return {
        onClosed(id, unsent) {
          if (!due()) events.onClosed!(id, unsent)
        },
      }
    }),
  ],
  'unsent bytes are not counted': [
    /end of stream after|foreign byte/,
    faulty(0, (events, due) => {
      return { onClosed: (id, unsent) => events.onClosed!(id, due() && unsent > 0 ? unsent - 1 : unsent) }
    }),
  ],
}

describe('what is planted is found', () => {
  test.each(Object.entries(FAULTS))('%s', async (_, [says, change]) => {
    const faults: string[] = []
    for (let seed = 1; seed <= 20 && faults.length === 0; seed++)
      faults.push(...(await play(seed, change)).faults)
    expect(faults.join('\n')).toMatch(says)
  })
})

describe('the command', () => {
  const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
  const soak = (...args: string[]) =>
    promisify(execFile)(process.execPath, [cli, ...args]).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    )

  test('a row of real sockets, a line for it and the counts', async () => {
    const { code, stdout } = await soak('--backend', 'poll', '--minutes', '0', '--round', '0.5')
    expect(stdout).toMatch(/^poll +1 rounds, .* ids, .*\n1 passed, 0 failed\n$/)
    expect(code).toBe(0)
  })

  test('a row that cannot be read is named', async () => {
    const { code, stdout } = await soak('--backend', 'poll:sideways', '--minutes', '0')
    expect(stdout).toContain('invalid backend "poll:sideways"')
    expect(code).toBe(1)
  })

  test('JSON alone on standard output', async () => {
    const { stdout } = await soak('--backend', 'poll', '--minutes', '0', '--round', '0.1', '--json')
    expect(JSON.parse(stdout)).toMatchObject([{ row: 'poll', rounds: 1, faults: [] }])
  })

  test('interrupted in the middle: 130, and no folder of Unix sockets is left', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'soak-test-'))
    const child = spawn(process.execPath, [cli, '--backend', 'poll', '--minutes', '1', '--round', '30'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await once(child.stderr, 'data')
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([130, null])
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
  })
})
