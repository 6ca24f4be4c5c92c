/** The first four bytes of every message, read as little-endian uint32. Source: `kernel/chainparams.cpp`. */
export const MAGIC = {
  mainnet: 0xd9b4bef9,
  testnet3: 0x0709110b,
  testnet4: 0x283f161c,
  signet: 0x40cf030a,
  regtest: 0xdab5bffa,
} as const

export type Network = keyof typeof MAGIC

export const NETWORKS = Object.keys(MAGIC) as Network[]

/** The network of a magic, undefined when it is none of {@link NETWORKS}. */
export function networkOf(magic: number): Network | undefined {
  return NETWORKS.find((network) => MAGIC[network] === magic)
}

/** `f9beb4d9 (mainnet)`: the bytes as they stand on the wire. */
export function describeMagic(magic: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(magic)
  return `${bytes.toString('hex')} (${networkOf(magic) ?? 'no network known here'})`
}
