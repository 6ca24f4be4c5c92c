import type { Verify } from './wire/framing'

/** How long a measurement takes. */
export interface Profile {
  /** Per row. */
  readonly trials: number
  /** Bytes of one measured download; less where every byte is hashed, which takes several times as long. */
  readonly volume: Readonly<Record<Verify, number>>
  /** Seconds of one `ping` point. */
  readonly pingSeconds: number
}

export const PROFILES = {
  quick: { trials: 3, volume: { checksum: 1.0e9, none: 2.0e9 }, pingSeconds: 1 },
  full: { trials: 9, volume: { checksum: 4.0e9, none: 8.0e9 }, pingSeconds: 5 },
  ci: { trials: 1, volume: { checksum: 0.1e9, none: 0.1e9 }, pingSeconds: 0.2 },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof PROFILES
