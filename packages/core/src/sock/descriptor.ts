import { channels } from '../diagnostics'
import { SockError } from '../errors'
import type { SockHost } from './host'

/**
 * A descriptor and who still needs it: the Sock that owns it, and every wait under way. Closed once, when the last of
 * them lets go, so that no wait ever watches a number that was reused (Bitcoin Core #21744).
 */
export class Descriptor {
  readonly host: SockHost
  readonly fd: number
  #owned = true
  readonly #waits = new Set<() => void>()

  constructor(host: SockHost, fd: number) {
    this.host = host
    this.fd = fd
    host.own(fd)
  }

  /** Whether a Sock owns it. */
  get owned(): boolean {
    return this.#owned
  }

  /** Whether a wait is under way. */
  get busy(): boolean {
    return this.#waits.size > 0
  }

  /** A wait begins; `cancel` ends it early. */
  hold(cancel: () => void): void {
    this.#waits.add(cancel)
  }

  /** That wait is over. */
  drop(cancel: () => void): void {
    this.#waits.delete(cancel)
    if (!this.#owned && !this.busy) this.#close()
  }

  /** Its Sock gives the number away; no wait is under way. */
  release(): number {
    this.#owned = false
    this.host.disown(this.fd)
    return this.fd
  }

  /** Its Sock is done with it: ends the waits, and closes it after the last. */
  close(): void {
    this.#owned = false
    if (!this.busy) this.#close()
    else for (const cancel of this.#waits) cancel()
  }

  /** Its Sock was garbage collected; a wait would have kept that alive. */
  forget(): void {
    const { name } = this.host
    const message = `a ${name} Sock was garbage collected with its descriptor ${this.fd} open; close it, or declare it with using`
    if (channels.warning.hasSubscribers) {
      channels.warning.publish({ backend: name, code: 'SOCK_NOT_CLOSED', message })
    }
    this.close()
  }

  #close(): void {
    const result = this.host.close(this.fd)
    if (result >= 0 || !channels.warning.hasSubscribers) return
    const error = SockError.fromErrno(result, 'close')
    channels.warning.publish({ backend: this.host.name, code: 'CLOSE', message: error.message, error })
  }
}

const forgotten = new FinalizationRegistry<Descriptor>((descriptor) => descriptor.forget())

/** From now on `owner` has `descriptor`: when it is garbage collected, the descriptor is closed. */
export function guard(owner: object, descriptor: Descriptor): void {
  if (descriptor.host.descriptors) forgotten.register(owner, descriptor, descriptor)
}

/** Nobody has to remember `descriptor` any more. */
export function unguard(descriptor: Descriptor): void {
  if (descriptor.host.descriptors) forgotten.unregister(descriptor)
}
