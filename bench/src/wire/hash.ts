import { hash } from 'node:crypto'

/** SHA-256 of the SHA-256: Bitcoin's hash of headers, transactions and checksums. 32 bytes, in wire order. */
export function sha256d(data: Uint8Array): Buffer {
  return hash('sha256', hash('sha256', data, 'buffer'), 'buffer')
}

/** A hash as people write it: hex, bytes reversed. */
export function displayHash(hash: Uint8Array): string {
  return Buffer.from(hash).reverse().toString('hex')
}
