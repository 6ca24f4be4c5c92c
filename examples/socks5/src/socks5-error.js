/** The proxy, or what it says, is to blame. A broken connection to it is a SockError. */
export class Socks5Error extends Error {
  /**
   * @param {'SOCKS5_PROTOCOL' | 'SOCKS5_AUTH' | 'SOCKS5_REFUSED'} code
   * @param {string} message
   * @param {number} [reply] on `SOCKS5_REFUSED`: the reply field, RFC 1928 section 6
   */
  constructor(code, message, reply) {
    super(message)
    this.name = 'Socks5Error'
    this.code = code
    this.reply = reply
  }
}
