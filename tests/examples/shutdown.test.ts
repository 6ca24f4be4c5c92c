import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect } from 'vitest'
import { asProcess } from './process'
import { rest } from './streams'
import { KI } from './world'

describe('examples/programs/shutdown.js', () => {
  const refusal = async (port: number) => (await once(connect(port, '127.0.0.1'), 'error'))[0].code

  asProcess('who has asked gets the answer, nobody new gets in', async (run) => {
    const bytes = 8 * 1024 * KI
    const { child, line, end } = run('tests/fixtures/graceful.mjs', `${bytes}`)
    const port = Number(await line())
    const client = connect(port, '127.0.0.1')
    client.write('why\n')
    expect(await line()).toBe('asked why')
    child.kill('SIGTERM')
    expect(await line()).toBe('stopping, 1 at work')
    expect(await refusal(port)).toBe('ECONNREFUSED')
    child.stdin.write('go on')
    expect(await rest(client)).toHaveLength(bytes)
    expect(await line()).toBe('stopped')
    expect(await end).toMatchObject({ code: 0, stderr: '' })
  })

  asProcess('a second signal ends it at once', async (run) => {
    const { child, line, end } = run('tests/fixtures/graceful.mjs', '1')
    const client = connect(Number(await line()), '127.0.0.1')
    client.on('error', () => {})
    client.write('why\n')
    expect(await line()).toBe('asked why')
    child.kill('SIGTERM')
    expect(await line()).toBe('stopping, 1 at work')
    child.kill('SIGINT')
    expect(await end).toMatchObject({ code: 1, stderr: '' })
  })

  asProcess('a question that is too long ends its connection only', async (run) => {
    const { child, line, end } = run('examples/programs/shutdown.js', '127.0.0.1:0')
    const [, port] = /^answers on 127\.0\.0\.1:(\d+), by \w+:/.exec(await line())!
    const long = connect(Number(port), '127.0.0.1').on('error', () => {})
    long.write('x'.repeat(1_001))
    await once(long.resume(), 'close')
    const client = connect(Number(port), '127.0.0.1')
    client.write('wh')
    client.write('y\nwhen\n')
    expect(String(await rest(client))).toBe('WHY\n')
    child.kill('SIGINT')
    expect(await line()).toBe('stopping, 0 at work')
    expect(await end).toMatchObject({ code: 0, stderr: '' })
  })
})
