import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import * as tls from 'node:tls'
import { describe, expect } from 'vitest'
import { tlsEcho } from '../../examples/programs/tls.js'
import { workspace } from '../pack'
import { asProcess } from './process'
import { digest, rest, take } from './streams'
import { type Create, deferred, everywhere, folder, stopLater, watching } from './world'

const program = 'examples/programs/tls.js'
/** The certificate is made as the program's first lines say. */
const [, openssl] = /^\/\/ +openssl (req .*)$/m.exec(readFileSync(workspace(program), 'utf8'))!
const { status } = spawnSync('openssl', openssl!.split(' '), { cwd: folder })
const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]

describe.skipIf(status !== 0)(
  `${program}${status === 0 ? '' : ', where openssl makes a certificate'}`,
  () => {
    const credentials = () => ({ key: readFileSync(key), cert: readFileSync(cert) })

    function secure(socket: Duplex) {
      return tls.connect({ socket, ca: readFileSync(cert), servername: 'localhost' })
    }

    everywhere('every byte comes back, then the end', async (world) => {
      const { listener } = stopLater(await tlsEcho(world.address(), credentials(), world.create))
      const stream = secure(world.dial(listener.address).stream)
      const bytes = randomBytes(50_000)
      stream.write(bytes)
      expect(digest(await take(stream, bytes.length))).toBe(digest(bytes))
      expect(stream.authorized).toBe(true)
      stream.end()
      expect(await rest(stream)).toHaveLength(0)
    })

    everywhere('who does not read is not read', async (world) => {
      const { create, paused } = watching(world)
      const { listener } = stopLater(await tlsEcho(world.address(true), credentials(), create))
      const stream = secure(world.dial(listener.address).stream)
      const bytes = randomBytes(world.much)
      stream.write(bytes)
      await paused
      expect(digest(await take(stream, bytes.length))).toBe(digest(bytes))
      stream.destroy()
    })

    everywhere('who speaks no TLS, or breaks off, ends only itself', async (world) => {
      const gone = deferred()
      let open = 2
      const create: Create = async (events, options) => {
        const man = await world.create(events, options)
        const { close } = man
        man.close = (...given) => {
          if (close.apply(man, given) && --open === 0) gone.resolve()
          return open >= 0
        }
        return man
      }
      const { listener } = stopLater(await tlsEcho(world.address(), credentials(), create))
      world.dial(listener.address).stream.end('hello\r\n\r\n')
      const broken = world.dial(listener.address)
      const stream = secure(broken.stream).on('error', () => {})
      await once(stream, 'secureConnect')
      broken.reset()
      await gone.promise
      const other = secure(world.dial(listener.address).stream)
      other.write('still here')
      expect(String(await take(other, 10))).toBe('still here')
      other.end()
    })

    asProcess('it echoes, and goes on after a peer that speaks no TLS', async (run) => {
      const { child, line, end } = run(program, '127.0.0.1:0', key, cert)
      const [, port] = /^echoes over TLS on 127\.0\.0\.1:(\d+), by \w+:/.exec(await line())!
      const plain = connect(Number(port), '127.0.0.1').on('error', () => {})
      plain.end('hello\r\n\r\n')
      await once(plain.resume(), 'close')
      const stream = secure(connect(Number(port), '127.0.0.1'))
      const bytes = randomBytes(100_000)
      stream.write(bytes)
      expect(digest(await take(stream, bytes.length))).toBe(digest(bytes))
      stream.destroy()
      child.kill('SIGTERM')
      expect(await end).toMatchObject({ signal: 'SIGTERM', stderr: '' })
    })
  },
)
