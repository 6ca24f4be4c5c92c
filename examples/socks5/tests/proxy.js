import { recvExactly } from '../src/recv-exactly.js'

/** @import { Sock } from '@sockman/core' */

/**
 * @typedef {object} Manners what a proxy says, where that is not what it should
 * @property {number[]} [method]
 * @property {number[]} [login]
 * @property {number[]} [reply]
 */

export const GRANTED = [5, 0, 0, 1, 127, 0, 0, 1, 0x1f, 0x90]

/**
 * The other side of the handshake, over any Sock.
 *
 * @param {Sock} sock
 * @param {Manners} [manners]
 * @returns {Promise<{ methods: number[], login: string[], host: string, port: number }>} what the client asked for
 */
export async function serve(sock, manners = {}) {
  /** @param {number} length */
  const recv = (length) => recvExactly(sock, length, { timeout: 60_000 })
  /** A field with its length before it. */
  const field = async () => new TextDecoder().decode(await recv((await recv(1))[0] ?? 0))
  /** @param {number[]} bytes */
  const send = (bytes) => sock.sendComplete(Uint8Array.from(bytes), { timeout: 60_000 })

  const [, count = 0] = await recv(2)
  const methods = [...(await recv(count))]
  const method = manners.method ?? [5, methods.includes(2) ? 2 : 0]
  await send(method)
  const login = []
  if (method[1] === 2) {
    await recv(1)
    login.push(await field(), await field())
    await send(manners.login ?? [1, 0])
  }
  await recv(4)
  const host = await field()
  const [high = 0, low = 0] = await recv(2)
  await send(manners.reply ?? GRANTED)
  return { methods, login, host, port: high * 256 + low }
}
