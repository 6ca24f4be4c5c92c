import { type Accepted, Sock, SockAddr, type SockError, type SockHost, type WaitRequest } from '../src'

interface Wait {
  readonly requests: readonly WaitRequest[]
  end(error?: SockError): void
  cancelled: boolean
}

/**
 * A SockHost with a table of descriptors like a kernel's: numbers are reused at once, and closing one that is not open,
 * or that a wait still has, is noticed. Waits end when the test says so.
 */
export class TableHost implements SockHost {
  readonly name = 'table'
  readonly descriptors = true
  readonly open = new Set<number>()
  /** What it would have to close if the environment ended now. */
  readonly owned = new Set<number>()
  readonly waits: Wait[] = []
  readonly mistakes: string[] = []
  /** What `close` answers. */
  closeResult = 0
  /** While false a cancelled wait goes on: its thread has not let go of the descriptors yet. */
  letsGo = true
  readonly #free: number[] = []
  #highest = 2

  take(): number {
    const fd = this.#free.pop() ?? ++this.#highest
    this.open.add(fd)
    return fd
  }

  now(): number {
    return 0
  }

  own(fd: number): void {
    if (this.owned.has(fd)) this.mistakes.push(`owns ${fd} twice`)
    this.owned.add(fd)
  }

  disown(fd: number): void {
    if (!this.owned.delete(fd)) this.mistakes.push(`disowns ${fd}, which is not owned`)
  }

  close(fd: number): number {
    if (!this.owned.delete(fd)) this.mistakes.push(`closed ${fd}, which is not owned`)
    if (!this.open.delete(fd)) this.mistakes.push(`closed ${fd}, which is not open`)
    if (this.waits.some((wait) => wait.requests.some((request) => request.fd === fd))) {
      this.mistakes.push(`closed ${fd}, which is waited for`)
    }
    this.#free.push(fd)
    return this.closeResult
  }

  wait(requests: readonly WaitRequest[], _timeout: number, done: (error?: SockError) => void): () => void {
    const wait: Wait = {
      requests,
      cancelled: false,
      end: (error) => {
        const at = this.waits.indexOf(wait)
        if (at < 0) return
        this.waits.splice(at, 1)
        queueMicrotask(() => done(error))
      },
    }
    this.waits.push(wait)
    return () => {
      wait.cancelled = true
      if (this.letsGo) wait.end()
    }
  }

  waitSync(): void {}
}

/** Every call answers what the test put into `answer`. */
export class TableSock extends Sock {
  answer = 0
  constructor(host: TableHost, fd: number = host.take()) {
    super(host, fd)
  }
  protected override sysSend(): number {
    return this.answer
  }
  protected override sysRecv(): number {
    return this.answer
  }
  protected override sysConnect(): number {
    return this.answer
  }
  protected override sysBind(): number {
    return this.answer
  }
  protected override sysListen(): number {
    return this.answer
  }
  protected override sysAccept(): Accepted<Sock> | number {
    return this.answer
  }
  protected override sysGetSockOpt(): number {
    return this.answer
  }
  protected override sysSetSockOpt(): number {
    return this.answer
  }
  protected override sysGetSockName(): SockAddr | number {
    return this.answer || SockAddr.unnamed
  }
  protected override sysGetPeerName(): SockAddr | number {
    return this.answer || SockAddr.unnamed
  }
  protected override sysSetNonBlocking(): number {
    return this.answer
  }
  protected override sysShutdown(): number {
    return this.answer
  }
}
