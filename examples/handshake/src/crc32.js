const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/**
 * CRC-32 as in Ethernet, gzip and PNG (RFC 1952, 8): finds damage, proves nothing about who sent it.
 *
 * @param {Uint8Array} data
 * @returns {number} 0 to 2³² − 1
 */
export function crc32(data) {
  let crc = 0xffffffff
  for (const byte of data) crc = /** @type {number} */ (TABLE[(crc ^ byte) & 0xff]) ^ (crc >>> 8)
  return ~crc >>> 0
}
