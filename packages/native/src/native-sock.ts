import { type Accepted, Sock, type SockAddr } from '@sockman/core'
import type { NativeSockHost } from './native-sock-host'
import { addressText, parseAddress } from './values'

/** A Sock of the kernel: the same for all engines, but for what it waits with. */
export class NativeSock extends Sock {
  declare protected readonly host: NativeSockHost

  constructor(host: NativeSockHost, fd: number) {
    super(host, fd)
  }

  protected override sysSend(data: Uint8Array, offset: number, flags: number): number {
    return this.host.calls.send(this.fd, data, offset, flags)
  }

  protected override sysRecv(buffer: Uint8Array, length: number, flags: number): number {
    return this.host.calls.recv(this.fd, buffer, length, flags)
  }

  protected override sysConnect(address: SockAddr): number {
    return this.host.calls.connect(this.fd, addressText(address))
  }

  protected override sysBind(address: SockAddr): number {
    return this.host.calls.bind(this.fd, addressText(address))
  }

  protected override sysListen(backlog: number): number {
    return this.host.calls.listen(this.fd, backlog)
  }

  protected override sysAccept(): Accepted<NativeSock> | number {
    const accepted = this.host.calls.accept(this.fd)
    if (typeof accepted === 'number') return accepted
    const [fd, them] = accepted
    return { sock: new NativeSock(this.host, fd), them: parseAddress(them) }
  }

  protected override sysGetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.host.calls.getSockOpt(this.fd, level, name, value)
  }

  protected override sysSetSockOpt(level: number, name: number, value: Uint8Array): number {
    return this.host.calls.setSockOpt(this.fd, level, name, value)
  }

  protected override sysGetSockName(): SockAddr | number {
    return addressOf(this.host.calls.getSockName(this.fd))
  }

  protected override sysGetPeerName(): SockAddr | number {
    return addressOf(this.host.calls.getPeerName(this.fd))
  }

  protected override sysSetNonBlocking(): number {
    return this.host.calls.setNonBlocking(this.fd)
  }

  protected override sysShutdown(how: number): number {
    return this.host.calls.shutdown(this.fd, how)
  }

  protected override sysIsSelectable(): boolean {
    const { descriptorLimit } = this.host
    return descriptorLimit === null || this.fd < descriptorLimit
  }
}

const addressOf = (answer: string | number): SockAddr | number =>
  typeof answer === 'number' ? answer : parseAddress(answer)
