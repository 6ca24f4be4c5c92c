/** What a peer did that the protocol forbids; `code` is the reason it is dropped for. */
export class ProtocolError extends Error {
  /**
   * @param {string} code stable, such as `BAD_CHECKSUM`
   * @param {string} message
   */
  constructor(code, message) {
    super(message)
    this.name = 'ProtocolError'
    this.code = code
  }
}
