import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, expect } from 'vitest'
import { echo } from '../../examples/programs/echo.js'
import { workspace } from '../pack'
import { asProcess, listensAsProcess } from './process'
import { digest, rest } from './streams'
import { everywhere, KI, stopLater, watching } from './world'

describe('examples/programs/echo.js', () => {
  everywhere('every byte comes back, then the end', async (world) => {
    const { listener } = stopLater(await echo(world.address(), world.create))
    const { stream } = world.dial(listener.address)
    const bytes = randomBytes(50_000)
    stream.end(bytes)
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })

  everywhere('who does not read is not read', async (world) => {
    const { create, paused } = watching(world)
    const { listener } = stopLater(await echo(world.address(true), create))
    const { stream } = world.dial(listener.address)
    const bytes = randomBytes(world.much)
    stream.end(bytes)
    await paused
    expect(digest(await rest(stream))).toBe(digest(bytes))
  })

  listensAsProcess('examples/programs/echo.js', 'echoes on ')
})

describe.each(['README.md', 'packages/sockman/README.md'])('the echo server in %s', (file) => {
  const [, code] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(workspace(file), 'utf8'))!

  asProcess('every byte comes back, then the end', async (run) => {
    const { child, line, end } = run('--input-type=module', '--eval', code!)
    const [, port] = /^\w+:\w+:maxConnections=500 listens on 127\.0\.0\.1:(\d+)$/.exec(await line())!
    const stream = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
    const bytes = randomBytes(4 * 1024 * KI)
    stream.end(bytes)
    expect(digest(await rest(stream))).toBe(digest(bytes))
    child.kill('SIGTERM')
    expect(await end).toMatchObject({ signal: 'SIGTERM', stderr: '' })
  })
})
