import process from 'node:process'
import { isMainThread } from 'node:worker_threads'
import { invalidArgument, isObject, type Releasable, SockError } from '@sockman/core'

/** A listening socket that was open when this process began. */
export interface ActivatedSocket extends Releasable {
  /** Of `LISTEN_FDNAMES`: the name of the unit or what `FileDescriptorName=` says; `unknown` where there is none. */
  readonly name: string
}

/** The first descriptor (`SD_LISTEN_FDS_START`). */
const FIRST = 3
const MOST = 65_536
const EBADF = 9

/**
 * The sockets of socket activation, as systemd and others pass them: give each to `man.adoptListener`. They are given once:
 * the variables that tell of them are removed, so that a child does not take them for its own, and the next call answers none.
 * None, too, in a worker, and where `LISTEN_PID` names another process. Source: sd_listen_fds(3).
 *
 * @throws SockError `ERR_INVALID_ARG_VALUE` for a `LISTEN_FDS` that is no number; `ERR_INVALID_ARG_TYPE`
 */
export function activatedSockets(env: NodeJS.ProcessEnv = process.env): ActivatedSocket[] {
  if (!isObject(env)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'env', 'an object', env)
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env
  // A worker has variables of its own, and the descriptors are the process's.
  if (!isMainThread || LISTEN_FDS === undefined || LISTEN_PID !== `${process.pid}`) return []
  if (!/^\d{1,5}$/.test(LISTEN_FDS) || Number(LISTEN_FDS) > MOST)
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'LISTEN_FDS',
      `a number of descriptors up to ${MOST}`,
      LISTEN_FDS,
    )
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) Reflect.deleteProperty(env, name)
  const names = LISTEN_FDNAMES?.split(':') ?? []
  return Array.from({ length: Number(LISTEN_FDS) }, (_, at) => activated(FIRST + at, names[at] || 'unknown'))
}

function activated(fd: number, name: string): ActivatedSocket {
  let given = false
  return {
    name,
    release() {
      if (given) throw SockError.fromErrno(EBADF, 'release')
      given = true
      return fd
    },
  }
}
