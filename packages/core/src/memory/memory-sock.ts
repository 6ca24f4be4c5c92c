import type { AddressFamily, SockAddr } from '../address'
import { plain } from '../bytes'
import { invalidArgument, SockError } from '../errors'
import { type Accepted, Sock } from '../sock'
import type { SockFactory } from '../sock/factory'
import { checkInteger } from '../sock/options'
import type { Kernel } from './kernel'
import type { MemorySockHost } from './sock-host'
import { Socket } from './socket'

const EBADF = -9
const FAMILIES: readonly AddressFamily[] = ['ipv4', 'ipv6', 'unix']

/** A Sock of a memory host: its descriptor is a number of that host's table. Always non-blocking. */
class MemorySock extends Sock {
  readonly #kernel: Kernel

  constructor(host: MemorySockHost, fd: number) {
    super(host, fd)
    this.#kernel = host.kernel
  }

  /** Undefined when somebody closed the number behind its back. */
  get #socket(): Socket | undefined {
    return this.#kernel.socket(this.fd)
  }

  protected sysSend(data: Uint8Array, offset: number, flags: number): number {
    return this.#socket?.send(plain(data), offset, flags) ?? EBADF
  }

  protected sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    return this.#socket?.recv(plain(buffer), length, flags) ?? EBADF
  }

  protected sysConnect(address: SockAddr): number {
    return this.#socket?.connect(address) ?? EBADF
  }

  protected sysBind(address: SockAddr): number {
    return this.#socket?.bind(address) ?? EBADF
  }

  protected sysListen(backlog: number): number {
    return this.#socket?.listen(backlog) ?? EBADF
  }

  protected sysAccept(): Accepted<Sock> | number {
    const accepted = this.#socket?.accept() ?? EBADF
    if (typeof accepted === 'number') return accepted
    const { socket, them } = accepted
    return { sock: new MemorySock(this.host as MemorySockHost, this.#kernel.world.sockets.add(socket)), them }
  }

  protected sysGetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.#socket?.getOption(level, name, plain(value)) ?? EBADF
  }

  protected sysSetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.#socket?.setOption(level, name, plain(value)) ?? EBADF
  }

  protected sysGetSockName(): SockAddr | number {
    return this.#socket?.me ?? EBADF
  }

  protected sysGetPeerName(): SockAddr | number {
    return this.#socket?.them ?? EBADF
  }

  protected sysSetNonBlocking(): number {
    return this.#socket ? 0 : EBADF
  }

  protected sysShutdown(how: number): number {
    return this.#socket?.shutdown(how) ?? EBADF
  }
}

/** The Socks of a memory host. */
export class MemorySocks implements SockFactory {
  readonly #host: MemorySockHost

  constructor(host: MemorySockHost) {
    this.#host = host
  }

  readonly create = (family: AddressFamily): Sock => {
    if (!FAMILIES.includes(family))
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', `one of ${FAMILIES.join(', ')}`, family)
    return this.#open(new Socket(this.#host.kernel, family))
  }

  readonly fromFd = (fd: number): Sock => {
    checkInteger('fd', fd, 0, 2 ** 31 - 1)
    if (!this.#host.kernel.socket(fd)) throw SockError.fromErrno(EBADF, 'fromFd')
    return new MemorySock(this.#host, fd)
  }

  readonly pair = (): [Sock, Sock] => {
    const { kernel } = this.#host
    const [one, two] = kernel.pair()
    return [this.#open(new Socket(kernel, 'unix', one)), this.#open(new Socket(kernel, 'unix', two))]
  }

  #open(socket: Socket): Sock {
    return new MemorySock(this.#host, this.#host.kernel.world.sockets.add(socket))
  }
}
