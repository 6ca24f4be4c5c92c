// An HTTP/1.1 server that says hello (RFC 9112). It takes GET and HEAD; a request with a body is refused.
//
//     node examples/programs/http.js [address]
import { STATUS_CODES } from 'node:http'
import { createSockMan } from 'sockman'

/** Most bytes of a head, which is a request line and its headers; and what follows a head. */
const [MAX_HEAD, BLANK] = [8192, '\r\n\r\n']
/** The head's method and minor version. The name of a header has only these characters. */
const HEAD = /^([A-Z]+) \S+ HTTP\/1\.([01])(\r\n[\w!#$%&'*+.^`|~-]+:.*)*$/

/** The answer to a request, and whether the connection ends with it. */
function answer(/** @type {string} */ head) {
  const [, method, version] = HEAD.exec(head) ?? []
  const [host, second] = head.match(/^host:.*/gim) ?? (version === '0' ? ['host:'] : [])
  let status = 200
  if (head.length > MAX_HEAD) status = 431
  else if (!method || !host || second || !/^host:\s*[^\s,]*\s*$/i.test(host)) status = 400
  else if (method !== 'GET' && method !== 'HEAD') status = 501
  else if (/^(transfer-encoding:|content-length:(?!\s*0\s*$))/im.test(head)) status = 413
  // After an error nobody knows where the next request would begin.
  const ends = status !== 200 || version === '0' || /^connection:.*\bclose\b/im.test(head)
  const body = status === 200 ? 'hello\n' : `${STATUS_CODES[status]}\n`
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, `Date: ${new Date().toUTCString()}`]
  lines.push('Content-Type: text/plain', `Content-Length: ${body.length}`)
  if (ends) lines.push('Connection: close')
  return { text: lines.join('\r\n') + BLANK + (method === 'HEAD' ? '' : body), ends }
}

/** @param {string} address where to listen */
export async function http(address, create = createSockMan) {
  /** Each connection's begin of a request whose end has not come. @type {Map<number, Buffer>} */
  const begun = new Map()
  const man = await create(
    {
      onData(id, data) {
        let rest = Buffer.concat([begun.get(id) ?? Buffer.alloc(0), data])
        for (let end = rest.indexOf(BLANK); end >= 0 || rest.length > MAX_HEAD; end = rest.indexOf(BLANK)) {
          const { text, ends } = answer(rest.toString('latin1', 0, end < 0 ? rest.length : end))
          if (!man.send(id, text)) man.pause(id) // no room: more requests wait until the peer has read
          // With a flush: a plain close is a reset where the peer has sent more, and could cost it the answer.
          if (ends) return void man.close(id, { flush: true })
          rest = rest.subarray(end + BLANK.length)
        }
        // A copy: `rest` may be a small part of much memory.
        begun.set(id, Buffer.from(rest))
      },
      onReadyToSend: (id) => man.resume(id),
      onClosed: (id) => void begun.delete(id),
    },
    // What so many peers make us queue stays below `sendTotalMax`, beyond which `send` throws.
    { maxConnections: 500, sendHighWater: 64 * 1024 },
  )
  return { man, listener: man.listen(address, { keepAlive: 60_000 }) }
}

if (import.meta.filename === process.argv[1]) {
  const { man, listener } = await http(process.argv[2] ?? '127.0.0.1:7004')
  console.log(`http://${listener.address}/, by ${man.selection.row}`)
}
