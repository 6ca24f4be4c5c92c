import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, onTestFinished } from 'vitest'
import { resp } from '../../examples/programs/resp.js'
import { asProcess } from './process'
import { take } from './streams'
import { abandoned, deferred, everywhere, type Peer, stopLater, type World } from './world'

describe('examples/programs/resp.js', () => {
  const commands = [['PING'], ['GET', 'grüße'], ['SET', 'k', Buffer.from([0, 13, 10, 255])]] as const
  const asked = Buffer.concat([
    Buffer.from('*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$7\r\ngrüße\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n'),
    Buffer.from([0, 13, 10, 255, 13, 10]),
  ])

  /** A server that answers what it is asked with `answer`, once it has all of the question; `then` ends it. */
  async function server(world: World, question: Buffer, answer: string, then = (_: Peer) => {}) {
    const got = deferred<Buffer>()
    const address = await world.serve(async (peer) => {
      got.resolve(await take(peer.stream, question.length))
      // In two parts, the first of which ends within a value.
      const bytes = Buffer.from(answer)
      const half = Math.floor(bytes.length / 2)
      await new Promise((resolve) => peer.stream.write(bytes.subarray(0, half), resolve))
      await new Promise((resolve) => peer.stream.write(bytes.subarray(half), resolve))
      then(peer)
    })
    return { client: stopLater(await resp(address, world.create)), got: got.promise }
  }

  everywhere('commands are encoded, and answered in their order', async (world) => {
    const { client, got } = await server(world, asked, '+PONG\r\n-ERR no\r\n:42\r\n')
    const results = await Promise.allSettled(commands.map((words) => client.command(...words)))
    expect(await got).toEqual(asked)
    expect(results).toEqual([
      { status: 'fulfilled', value: 'PONG' },
      { status: 'rejected', reason: new Error('ERR no') },
      { status: 'fulfilled', value: 42 },
    ])
  })

  const long = 'y'.repeat(30_000)
  const values: [wire: string, value: unknown][] = [
    ['+\r\n', ''],
    [':-7\r\n', -7],
    [':9223372036854775807\r\n', 9223372036854775807n],
    ['$-1\r\n', null],
    ['$0\r\n\r\n', Buffer.alloc(0)],
    ['$4\r\na\r\nb\r\n', Buffer.from('a\r\nb')],
    [`$30000\r\n${long}\r\n`, Buffer.from(long)],
    ['*-1\r\n', null],
    ['*0\r\n', []],
    [
      '*4\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n+b\r\n-ERR x\r\n$-1\r\n',
      [1, [Buffer.from('a'), ['b']], new Error('ERR x'), null],
    ],
  ]
  everywhere('every type of reply is read, in whatever parts it comes', async (world) => {
    const question = Buffer.from('*1\r\n$1\r\nX\r\n'.repeat(values.length))
    const { client } = await server(world, question, values.map(([wire]) => wire).join(''))
    const replies = await Promise.all(values.map(() => client.command('X')))
    expect(replies).toEqual(values.map(([, value]) => value))
  })

  for (const [title, answer, end, reason] of [
    ['an end', '+A\r\n$9\r\nhalf', (peer: Peer) => void peer.stream.end(), /has ended/],
    ['a reset', '+A\r\n', (peer: Peer) => peer.reset(), /ECONNRESET/],
    ['what is not RESP2', '+A\r\n$1x\r\n', () => {}, /not RESP2/],
    ['arrays without a bottom', `+A\r\n${'*1\r\n'.repeat(100)}`, () => {}, /more than 32 arrays/],
    ['a value that is too long', '+A\r\n$99999999\r\n', () => {}, /more than 67108864 bytes/],
    ['a line without an end', `+A\r\n+${'x'.repeat(66_000)}`, () => {}, /a line has more/],
  ] as const) {
    everywhere(`${title} rejects all that wait, and what follows`, async (world) => {
      const question = Buffer.from('*1\r\n$1\r\nX\r\n'.repeat(3))
      const { client } = await server(world, question, answer, end)
      const results = await Promise.allSettled([1, 2, 3].map(() => client.command('X')))
      const reasons = results.map((result) =>
        result.status === 'rejected' ? `${result.reason}` : 'answered',
      )
      // What came before a reset may be lost with it.
      if (title !== 'a reset') expect(reasons[0]).toBe('answered')
      for (const one of reasons.slice(1)) expect(one).toMatch(reason)
      await expect(client.command('X')).rejects.toThrow(reason)
    })
  }

  everywhere('nobody there; too many at once', async (world) => {
    const client = stopLater(await resp(await abandoned(world), world.create))
    const waiting = Array.from({ length: 10_000 }, () => client.command('X'))
    await expect(client.command('X')).rejects.toThrow('10000 replies are due')
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ECONNREFUSED' } })
  })

  for (const [words, question, answer, ending] of [
    [[], '*1\r\n$4\r\nPING\r\n', '+PONG\r\n', { code: 0, stdout: 'PONG\n', stderr: '' }],
    [
      ['GET', 'grüße'],
      '*2\r\n$3\r\nGET\r\n$7\r\ngrüße\r\n',
      '$6\r\nhällo\r\n',
      { code: 0, stdout: 'hällo\n', stderr: '' },
    ],
    [
      ['NO'],
      '*1\r\n$2\r\nNO\r\n',
      '-ERR no\r\n',
      { code: 1, stderr: expect.stringContaining('Error: ERR no') },
    ],
  ] as const) {
    asProcess(`it prints the reply to ${JSON.stringify(words)}`, async (run) => {
      let asked = ''
      const server = createServer((socket) => {
        socket.on('data', (data) => {
          asked += data
          if (asked === question) socket.write(answer)
        })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      onTestFinished(() => void server.close())
      const { end } = run(
        'examples/programs/resp.js',
        `127.0.0.1:${(server.address() as AddressInfo).port}`,
        ...words,
      )
      expect(await end).toMatchObject(ending)
      expect(asked).toBe(question)
    })
  }
})
