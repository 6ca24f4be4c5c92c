import { describe, SockError } from './errors'
import { isObject } from './objects'

/** The families an address may have. */
export type AddressFamily = 'ipv4' | 'ipv6' | 'unix'

/**
 * What {@link SockAddr.from} takes wherever an address is asked for: a SockAddr, also of another copy of this package; its
 * text; a port of `127.0.0.1`; `{ host, port }` with an IP address, by default `127.0.0.1`; what `address()` of a server of
 * `node:net` gives; `{ path }`.
 */
export type AddressInput =
  | SockAddr
  | string
  | number
  | { readonly host?: string | undefined; readonly port: number }
  | { readonly address: string; readonly port: number }
  | { readonly path: string }

/** Where a port alone is: whoever wants to be reached from elsewhere says so. */
const LOOPBACK = '127.0.0.1'
/** What an address as an object may have. */
const PARTS = ['host', 'port', 'zone', 'path', 'family', 'address']

/**
 * A socket address: immutable, with one text form that {@link SockAddr.parse} reads back.
 *
 * | text | meaning |
 * |---|---|
 * | `127.0.0.1:8333` | IPv4 |
 * | `[::1]:8333`, `[fe80::1%eth0]:8333` | IPv6, with a zone (RFC 4007) where one is needed |
 * | `unix:/run/node.sock` | Unix socket at an absolute or relative path, at most 107 bytes |
 * | `unix:@name` | abstract Unix socket (Linux), at most 107 bytes, NUL bytes included; see unix(7) |
 * | `unix:` | the unnamed end of a Unix connection: reported, never accepted as input |
 *
 * Host names are refused: resolve them first, with `dns.lookup`.
 */
export class SockAddr {
  readonly family: AddressFamily
  /** IP address in canonical text (RFC 5952 for IPv6), without zone; `''` for Unix. */
  readonly host: string
  /** 0 to 65 535; 0 for Unix. */
  readonly port: number
  /** IPv6 zone (`eth0`, or a number), `''` without one. */
  readonly zone: string
  /** Path of a Unix socket, `@name` when abstract; `''` for IP and for an unnamed one. */
  readonly path: string

  /** Only what the constructor made has it: that was checked, whatever prototype other objects are given. */
  readonly #made = true

  private constructor(family: AddressFamily, host: string, port: number, zone: string, path: string) {
    this.family = family
    this.host = host
    this.port = port
    this.zone = zone
    this.path = path
    Object.freeze(this)
  }

  /**
   * Reads the text form.
   *
   * @throws SockError `ERR_INVALID_ADDRESS`, naming the text and, for a host name, the remedy
   */
  static parse(text: string): SockAddr {
    if (typeof text !== 'string') throw invalid(text, 'an address is a string such as 127.0.0.1:8333')
    if (text.startsWith('unix:')) return SockAddr.unix(text.slice(5))
    const bracketed = /^\[([^\]]*)\]:(\d{1,5})$/.exec(text)
    if (bracketed) {
      if (!bracketed[1]!.includes(':')) throw invalid(text, 'only an IPv6 address is written in brackets')
      return SockAddr.ip(bracketed[1]!, Number(bracketed[2]), text)
    }
    const plain = /^([^:]*):(\d{1,5})$/.exec(text)
    if (!plain) throw invalid(text, hintFor(text))
    return SockAddr.ip(plain[1]!, Number(plain[2]), text)
  }

  /** The address itself, or what is read as one. @throws SockError as `parse`; also for {@link SockAddr.unnamed} */
  static from(address: AddressInput): SockAddr {
    if (SockAddr.#is(address)) return address === SockAddr.unnamed ? SockAddr.parse(`${address}`) : address
    if (typeof address === 'number') return SockAddr.ip(LOOPBACK, address)
    return isObject(address) ? SockAddr.#read(address) : SockAddr.parse(address as string)
  }

  /** A SockAddr of another copy has all of the properties, and empty strings for those that are not its family's. */
  static #read(parts: object): SockAddr {
    for (const key of Object.keys(parts)) {
      // Else `{ hostname, port }` would be a port of this machine.
      if (!PARTS.includes(key)) throw invalid(parts, `there is no ${key}, only ${PARTS.join(', ')}`)
    }
    const { address, host = address, port, zone = '', path = '' } = parts as Readonly<Record<string, unknown>>
    if (path !== '') {
      if (host || port) throw invalid(parts, 'an address with a path has no host and no port')
      return SockAddr.unix(path as string)
    }
    if (port === undefined || host === '' || typeof zone !== 'string')
      throw invalid(parts, 'an address is text such as 127.0.0.1:8333, a port, { host, port } or { path }')
    const named = host === undefined ? LOOPBACK : host
    return SockAddr.ip((zone === '' ? named : `${named}%${zone}`) as string, port as number)
  }

  static #is(value: unknown): value is SockAddr {
    return typeof value === 'object' && value !== null && #made in value
  }

  /**
   * An IPv4 or IPv6 address; `host` may carry a zone (`fe80::1%eth0`).
   *
   * @throws SockError `ERR_INVALID_ADDRESS` for a host that is not an IP address or a port outside 0–65 535
   */
  static ip(host: string, port: number, text?: string): SockAddr {
    if (typeof host !== 'string') throw invalid(host, 'a host is an IP address as a string')
    const shown = text ?? `${host}:${describe(port)}`
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw invalid(shown, 'a port is 0 to 65535')
    if (host.includes(':')) {
      const percent = host.indexOf('%')
      const zone = percent < 0 ? '' : host.slice(percent + 1)
      if (percent >= 0 && !/^[^\s%/:[\]]{1,15}$/.test(zone))
        throw invalid(shown, 'an IPv6 zone is an interface name or number')
      const groups = parseIPv6(percent < 0 ? host : host.slice(0, percent))
      if (!groups) throw invalid(shown, 'not an IPv6 address')
      return new SockAddr('ipv6', formatIPv6(groups), port, zone, '')
    }
    if (!isIPv4(host)) throw invalid(shown, hintFor(shown))
    return new SockAddr('ipv4', host, port, '', '')
  }

  /**
   * A Unix socket: a path, or `@name` for an abstract one.
   *
   * @throws SockError `ERR_INVALID_ADDRESS` for an empty path, one over 107 bytes, or a NUL in what is no abstract name
   */
  static unix(path: string): SockAddr {
    if (typeof path !== 'string') throw invalid(path, 'the path of a Unix socket is a string')
    const shown = `unix:${path}`
    if (path === '' || path === '@') throw invalid(shown, 'a Unix socket needs a path or @name')
    if (path.includes('\0') && !path.startsWith('@'))
      throw invalid(shown, 'a Unix path has no NUL byte; an abstract name is written @name')
    const bytes = new TextEncoder().encode(path).length
    if (bytes > 107) throw invalid(shown, `a Unix path has at most 107 bytes, this one ${bytes}`)
    return new SockAddr('unix', '', 0, '', path)
  }

  /** What the kernel reports for the unnamed end of a Unix connection. */
  static readonly unnamed: SockAddr = new SockAddr('unix', '', 0, '', '')

  /** Whether this is an abstract Unix name. */
  get abstract(): boolean {
    return this.path.startsWith('@')
  }

  /** The text form. */
  toString(): string {
    if (this.family === 'unix') return `unix:${this.path}`
    if (this.family === 'ipv4') return `${this.host}:${this.port}`
    return `[${this.host}${this.zone && `%${this.zone}`}]:${this.port}`
  }

  toJSON(): string {
    return this.toString()
  }

  /** `address` and `port` as Node's errors have them. */
  get where(): { address: string; port?: number } {
    if (this.family === 'unix') return { address: this.path }
    return { address: this.zone ? `${this.host}%${this.zone}` : this.host, port: this.port }
  }

  equals(other: SockAddr): boolean {
    return SockAddr.#is(other) && this.toString() === other.toString()
  }
}

function invalid(shown: unknown, why: string): SockError {
  const error = `invalid address ${describe(shown)}: ${why}`
  const address = typeof shown === 'string' ? shown : describe(shown)
  return new SockError(error, { code: 'ERR_INVALID_ADDRESS', address })
}

function hintFor(text: string): string {
  if (/^[^:[\]]*:\d{6,}$/.test(text)) return 'a port is 0 to 65535'
  if (/^[0-9a-f:.%\w]*:[0-9a-f:.]*:/i.test(text)) return 'an IPv6 address is written in brackets: [::1]:8333'
  if (/^[\d.]+:\d+$/.test(text)) return 'not an IPv4 address'
  if (/^[\w.-]*[a-z][\w.-]*:\d+$/i.test(text)) return 'host names are not resolved here: use dns.lookup first'
  if (/^[\w.-]+$/.test(text)) return 'the port is missing'
  return 'expected IP:port, [IPv6]:port, unix:/path or unix:@name'
}

function isIPv4(text: string): boolean {
  const parts = text.split('.')
  // No leading zeros: inet_aton reads them as octal, so different programs would see different hosts.
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
}

/** Eight groups, or undefined. */
function parseIPv6(text: string): number[] | undefined {
  let source = text
  const lastColon = source.lastIndexOf(':')
  const tail = source.slice(lastColon + 1)
  if (tail.includes('.')) {
    if (!isIPv4(tail)) return undefined
    const [a, b, c, d] = tail.split('.').map(Number) as [number, number, number, number]
    source = `${source.slice(0, lastColon + 1)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const halves = source.split('::')
  if (halves.length > 2) return undefined
  const read = (half: string): number[] | undefined => {
    if (half === '') return []
    const groups = half.split(':')
    return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
      ? groups.map((g) => Number.parseInt(g, 16))
      : undefined
  }
  const head = read(halves[0]!)
  if (!head) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  const rest = read(halves[1]!)
  if (!rest || head.length + rest.length > 7) return undefined
  return [...head, ...new Array<number>(8 - head.length - rest.length).fill(0), ...rest]
}

/** RFC 5952: lower case, the longest run of two or more zero groups shortened, IPv4-mapped in dotted form. */
function formatIPv6(groups: number[]): string {
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high, low] = [groups[6]!, groups[7]!]
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  let [start, length] = [-1, 1]
  for (let at = 0; at < 8; at++) {
    let run = 0
    while (at + run < 8 && groups[at + run] === 0) run++
    if (run > length) [start, length] = [at, run]
    if (run > 0) at += run
  }
  const text = groups.map((group) => group.toString(16))
  if (start < 0) return text.join(':')
  return `${text.slice(0, start).join(':')}::${text.slice(start + length).join(':')}`
}
