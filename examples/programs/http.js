// An HTTP/1.1 server that says hello (RFC 9112). It takes GET and HEAD; a request with a body is refused.
//
//     node examples/programs/http.js [address]
import { STATUS_CODES } from 'node:http'
import { createSockMan } from 'sockman'

/** @import { AddressInput, SockMan, SockManEvents, SockManOptions } from '@sockman/core' */

/** Most bytes of a request line and its headers together. */
const MAX_HEAD = 8192
/** What ends a head. */
const BLANK = '\r\n\r\n'

/** The answer to a request, and whether the connection ends with it. A head that is too long is not given. */
function answer(/** @type {string | undefined} */ head) {
  const [first = '', ...lines] = head?.split('\r\n') ?? []
  const [, method, version] = /^([A-Z]+) \S+ HTTP\/1\.([01])$/.exec(first) ?? []
  const headers = new Map()
  let isValid = method !== undefined
  for (const line of lines) {
    const [, name, value = ''] = /^([\w!#$%&'*+.^`|~-]+):(.*)$/.exec(line.toLowerCase()) ?? []
    isValid &&= name !== undefined
    // Headers of one name are one list (RFC 9110, 5.3), which neither a host nor a length may be.
    headers.set(name, headers.has(name) ? `${headers.get(name)},${value}` : value.trim())
  }
  isValid &&= version === '0' || /^[^\s,]*$/.test(headers.get('host') ?? ',')
  const hasBody = headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0'
  const isKnown = method === 'GET' || method === 'HEAD'
  const status = head === undefined ? 431 : !isValid ? 400 : !isKnown ? 501 : hasBody ? 413 : 200
  // After an error nobody knows where the next request would begin.
  const ends = status !== 200 || version === '0' || /\bclose\b/.test(headers.get('connection') ?? '')
  const body = status === 200 ? 'hello\n' : `${STATUS_CODES[status]}\n`
  const fields = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, `Date: ${new Date().toUTCString()}`]
  fields.push('Content-Type: text/plain', `Content-Length: ${body.length}`)
  if (ends) fields.push('Connection: close')
  return { text: fields.join('\r\n') + BLANK + (method === 'HEAD' ? '' : body), ends }
}

/**
 * @param {(events: SockManEvents, options?: SockManOptions) => SockMan | Promise<SockMan>} create makes the SockMan
 * @param {AddressInput} address where to listen
 */
export async function http(create, address) {
  /** The handlers of one connection. @returns {SockManEvents} */
  const conversation = () => {
    /** Requests that are not answered yet: between two events only the begin of one. */
    let begun = Buffer.alloc(0)
    return {
      onData(id, data) {
        begun = Buffer.concat([begun, data])
        let room = true
        for (
          let end = begun.indexOf(BLANK);
          end >= 0 || begun.length > MAX_HEAD;
          end = begun.indexOf(BLANK)
        ) {
          const fits = end >= 0 && end <= MAX_HEAD
          const { text, ends } = answer(fits ? begun.toString('latin1', 0, end) : undefined)
          room = man.send(id, text)
          // With a flush: a plain close is a reset where the peer has sent more, and could cost it the answer.
          if (ends) return void man.close(id, { flush: true })
          begun = begun.subarray(end + BLANK.length)
        }
        // A copy: `begun` may be a small part of much memory.
        begun = Buffer.from(begun)
        if (!room) man.pause(id)
      },
      onReadyToSend: (id) => man.resume(id),
      onEof: (id) => void man.close(id, { flush: true }),
    }
  }
  const man = await create(
    { onAccepted: (id) => void man.setEvents(id, conversation()) },
    // What so many peers make us queue stays below `sendTotalMax`, beyond which `send` throws.
    { maxConnections: 500, sendHighWater: 64 * 1024 },
  )
  return { man, listener: man.listen(address, { keepAlive: 60_000 }) }
}

if (import.meta.filename === process.argv[1]) {
  const { man, listener } = await http(createSockMan, process.argv[2] ?? '127.0.0.1:7004')
  console.log(`http://${listener.address}/, by ${man.selection.row}`)
}
