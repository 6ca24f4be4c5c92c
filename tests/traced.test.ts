import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ended } from './child'
import { requireRow, rows } from './rows'

const fixture = fileURLToPath(new URL('fixtures/traced.mjs', import.meta.url))

for (const row of rows) {
  const { backend, drive, name } = row
  test(`NODE_DEBUG=sockman traces the life of connections on ${name}`, async (context) => {
    requireRow(row, context)
    const run = (debug: string) =>
      ended(
        spawn(process.execPath, [fixture, backend.name, drive], {
          env: { ...process.env, NODE_DEBUG: debug },
          timeout: 30_000,
        }),
      )
    expect(await run('other')).toMatchObject({ code: 0, stdout: '', stderr: '' })
    const { code, stderr } = await run('other,sockman')
    expect(code).toBe(0)
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^SOCKMAN \d+: /, '').replaceAll(/:\d{4,5}\b/g, ':PORT'))
    const numbers = [...new Set(stderr.match(/#\d+/g))]
    const traced = lines.map((line) => line.replace(/#\d+/, (id) => `#${numbers.indexOf(id) + 1}`)).sort()
    const about = (id: number, ...rest: string[]): string[] =>
      rest.map((what) => `${backend.name} #${id} ${what}`)
    const ends = (id: number): number =>
      traced.some((line) => line.includes(`#${id} accepted`)) ? id : id + 1
    const [inbound, second] = [ends(1), ends(3)]
    const outbound = inbound === 1 ? 2 : 1
    const broken = second === 3 ? 4 : 3
    expect(traced).toEqual(
      [
        `created ${name}`,
        `${backend.name} listening 127.0.0.1:PORT`,
        ...about(inbound, 'accepted 127.0.0.1:PORT - 127.0.0.1:PORT', 'closed, 0 bytes unsent'),
        ...about(outbound, 'connected 127.0.0.1:PORT - 127.0.0.1:PORT', 'closed, 0 bytes unsent'),
        ...about(second, 'accepted 127.0.0.1:PORT - 127.0.0.1:PORT', 'closed, 0 bytes unsent'),
        ...about(
          broken,
          'connected 127.0.0.1:PORT - 127.0.0.1:PORT',
          'error: recv ECONNRESET 127.0.0.1:PORT: Connection reset by peer (104)',
          'closed, 0 bytes unsent',
        ),
        ...about(5, 'connectFailed: connect ECONNREFUSED 127.0.0.1:1: Connection refused (111)'),
        `${backend.name} closed 127.0.0.1:PORT`,
      ].sort(),
    )
  })
}
