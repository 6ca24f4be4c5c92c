import { connect } from 'node:net'
import { describe, expect } from 'vitest'
import { asProcess } from './process'
import { rest, take } from './streams'

describe('examples/programs/workers.js', () => {
  asProcess('the threads share a port, and end gracefully', async (run) => {
    const { child, line, end } = run('examples/programs/workers.js', '127.0.0.1:0', '2')
    const [, port] = /^2 threads listen on 127\.0\.0\.1:(\d+)$/.exec(await line())!
    const clients = Array.from({ length: 64 }, () =>
      connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true }),
    )
    const told = await Promise.all(clients.map((client) => take(client, 'thread 1\n'.length).then(String)))
    // The kernel deals by a hash of the addresses: that one thread gets all 64 is once in 2⁶³ runs.
    expect(new Set(told)).toEqual(new Set(['thread 1\n', 'thread 2\n']))
    for (const client of clients) client.write('echo')
    for (const client of clients) expect(String(await take(client, 4))).toBe('echo')
    child.kill('SIGTERM')
    const rests = clients.map((client) => rest(client).then(() => void client.end()))
    await Promise.all(rests)
    expect(await end).toMatchObject({ code: 0, stderr: '' })
  })
})
