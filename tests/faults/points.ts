import { CALL_ERRNOS } from '@sockman/core/mock'

/** Where a point is: a backend, and how that is driven. */
export interface Place {
  readonly backend: string
  readonly drive: string
}

/**
 * One fault point: what its call can answer, and what may come of that on the tour (`fixtures/tour.mjs`), as lines of
 * `WHERE CODE SYSCALL`, of which there is at most one kind. CODE stands for the errno's name.
 */
export interface FaultPoint {
  readonly errnos: readonly string[]
  /** Lines that tell of it. */
  readonly told?: RegExp
  /**
   * Errnos of which nobody is told, since nothing is lost: the call is made again. 'all': of none, or of some, as it
   * happens, since nothing depends on the call.
   */
  readonly quiet?: readonly string[] | 'all'
  /** Whether some of its other calls do not matter, and so nobody is told; default none. */
  readonly later?: (place: Place) => boolean
  /** The call of the tour that fails with each of the errnos; default the first. */
  readonly nth?: (place: Place) => number
  /** Calls in a row that fail; default 1. */
  readonly times?: number
  /** Whether the tour comes to it; default always. */
  readonly on?: (place: Place) => boolean
}

const { send, recv, connect, bind, listen, accept, sockOpt, name, nonBlocking, shutdown, wait } = CALL_ERRNOS

/** accept(2) of Linux also passes on the errors of the new connection, and says what the system is short of. */
const ACCEPT = [...accept, 'EMFILE', 'ENFILE', 'ENOBUFS', 'EPROTO', 'EPERM', 'ETIMEDOUT', 'EBADF']
const OF_THE_CONNECTION = ['ECONNABORTED', 'EPROTO', 'EPERM', 'ETIMEDOUT']
const AGAIN = ['EAGAIN', 'EINTR']
const SHORT = ['EMFILE', 'ENFILE', 'ENOMEM']

/** Creating a SockMan, or what waits for Socks, throws; a shortage as it is, others as a backend that is unavailable. */
const opening = /^(create|host|sock wait) (ERR_BACKEND_UNAVAILABLE CODE|CODE \S+)$/

const thread = ({ drive }: Place): boolean => drive === 'thread'
const inline = ({ drive }: Place): boolean => drive === 'inline'
const of =
  (...backends: string[]) =>
  ({ backend }: Place): boolean =>
    backends.includes(backend)
const both =
  (one: (place: Place) => boolean, other: (place: Place) => boolean) =>
  (place: Place): boolean =>
    one(place) && other(place)

const anywhere = (): boolean => true
const uring = of('iouring')
const uv = of('libuv')

export const points: Readonly<Record<string, FaultPoint>> = {
  socket: { errnos: [...SHORT, 'ENOBUFS', 'EACCES'], told: /^(listen|connect|sock socket) CODE socket$/ },
  socketpair: { errnos: SHORT, told: /^pair CODE socketpair$/ },
  bind: { errnos: bind, told: /^(listen|connect|sock bind) CODE bind$/ },
  listen: { errnos: listen, told: /^(listen|sock listen) CODE listen$/ },
  connect: {
    // EINPROGRESS is what it always answers.
    errnos: connect.filter((code) => code !== 'EINPROGRESS'),
    told: /^(connectFailed|sock connect) CODE connect$/,
    quiet: ['EINTR'],
  },
  accept: {
    errnos: ACCEPT,
    told: /^(listenError|sock accept) CODE accept$/,
    quiet: [...AGAIN, ...OF_THE_CONNECTION],
    // The second: then there is a connection whose end makes it resume. In io_uring only a Sock makes this call.
    nth: (place) => (uring(place) ? 1 : 2),
  },
  sendmsg: { errnos: send, told: /^error CODE send$/, quiet: AGAIN },
  send: { errnos: send, told: /^(send|sock send) CODE send$/ },
  recv: { errnos: recv, told: /^(error|sock recv) CODE recv$/, quiet: AGAIN },
  shutdown: { errnos: shutdown, told: /^(error CODE send|sock shutdown CODE shutdown)$/, quiet: 'all' },
  getsockname: {
    errnos: name,
    told: /^((listen|adopt|sock getsockname) CODE getsockname|error CODE (recv|send))$/,
    later: anywhere, // the address of a connection is then the unspecified one
  },
  getpeername: {
    errnos: name,
    told: /^(adopt CODE adopt|sock getpeername CODE getpeername)$/,
    quiet: 'all', // `onAccepted` and `onConnected` then have the unspecified address
  },
  getsockopt: {
    errnos: sockOpt,
    told: /^(connectFailed CODE connect|adopt CODE adopt|error CODE (recv|send)|sock check CODE check)$/,
    quiet: 'all', // whether an end was a reset
  },
  setsockopt: {
    errnos: sockOpt,
    told: /^(warning|sock setsockopt) CODE setsockopt$/,
    later: anywhere, // of a Sock's own options, of a local address, of a reset
  },
  fcntl: {
    errnos: nonBlocking,
    told: /^((adopt|sock setNonBlocking) CODE (fcntl|setNonBlocking)|wait ended with 5)$/,
    later: uv, // giving a descriptor of a wait its flags back
  },
  duplicate: { errnos: SHORT, quiet: 'all', on: both(uv, inline) },
  ioctl: { errnos: ['EBADF', 'EINVAL'], quiet: 'all' },
  close: { errnos: ['EIO', 'EINTR'], told: /^sock close CODE close$/, quiet: 'all' },
  unlink: { errnos: ['EACCES', 'ENOENT', 'EROFS'], told: /^path stays$/ },
  // What is not known to be ours stays.
  getcwd: { errnos: ['ENOENT', 'EACCES'], told: /^path stays$/ },
  lstat: { errnos: ['EACCES', 'ENOENT', 'ENOMEM'], told: /^path stays$/ },
  eventfd: {
    errnos: [...SHORT, 'ENODEV'],
    told: /^(create|host|sock wait|sock openBell) (ERR_BACKEND_UNAVAILABLE CODE|CODE \S+)$/,
  },
  poll: { errnos: [...wait, 'ENOMEM'], quiet: 'all', on: of('poll', 'select', 'libuv'), times: 3 },
  select: { errnos: [...wait, 'ENOMEM'], quiet: 'all', on: of('select'), times: 3 },
  epoll_create: { errnos: SHORT, told: opening },
  epoll_ctl: {
    errnos: ['ENOMEM', 'ENOSPC', 'EPERM', 'EBADF', 'EEXIST', 'EINVAL', 'ENOENT', 'ELOOP'],
    told: /^((create|host|sock wait) (ERR_BACKEND_UNAVAILABLE CODE|CODE \S+)|(error|connectFailed|listenError) CODE \S+|wait ended with [457])$/,
    later: of('epoll'), // taking out; the waits of a Sock whose result nobody asks for
  },
  epoll_wait: { errnos: wait, quiet: 'all', times: 3 },
  mmap: { errnos: ['ENOMEM', 'EAGAIN'], told: opening },
  malloc: { errnos: ['ENOMEM'], told: /^error CODE send$/ },
  slots: {
    errnos: ['ENOMEM'],
    told: /^(listen|connect|adopt|listenError) CODE (listen|connect|adopt|accept)$/,
  },
  thread: { errnos: ['EAGAIN', 'EPERM'], told: /^(listen|sock wait) CODE pthread_create$/ },
  // Refused for good, it is the runtime that lacks them.
  arraybuffer: {
    errnos: ['ENOMEM', 'EOPNOTSUPP'],
    told: /^create (CODE \S+|ERR_BACKEND_UNAVAILABLE ERR_UNSUPPORTED_RUNTIME)$/,
  },
  threadsafe_function: { errnos: ['ENOMEM'], told: opening },
  event_loop: { errnos: ['ENOMEM'], told: /^(create|listen|host) CODE napi_get_uv_event_loop$/ },
  // What cannot be borrowed is copied.
  reference: { errnos: ['ENOMEM'], told: opening, later: anywhere },
  cleanup_hook: { errnos: ['ENOMEM'], told: /^(create|listen|host|sock wait) CODE \S+$/ },
  async_context: { errnos: ['ENOMEM'], told: opening, on: inline },
  watch: {
    errnos: ['ENOMEM', 'EPERM', 'EEXIST', 'EBADF'],
    told: /^listen CODE uv_poll_init$/,
    on: both(inline, of('epoll', 'iouring')),
  },
  watch_start: {
    errnos: ['ENOMEM', 'EBADF'],
    told: /^listen CODE uv_poll_start$/,
    on: both(inline, of('epoll', 'iouring')),
  },

  uring_setup: {
    errnos: [...SHORT, 'EPERM', 'EINVAL', 'ENOSYS'],
    told: opening,
    quiet: ['EINVAL'],
    on: uring,
  },
  uring_register: {
    errnos: ['ENOMEM', 'EPERM', 'EINVAL', 'EEXIST'],
    told: opening,
    quiet: ['EINVAL'],
    // Inline the first is for the eventfd; the next is for the buffers, and with EINVAL one without increments follows.
    nth: (place) => (inline(place) ? 2 : 1),
    on: uring,
  },
  uring_probe: { errnos: ['EPERM', 'EINVAL', 'EOPNOTSUPP'], told: opening, on: uring },
  uring_enable: { errnos: ['EPERM', 'EACCES', 'ENOMEM'], quiet: 'all', on: uring, times: 3 },
  // The first is the trial of the ring; others are made again.
  uring_enter: { errnos: ['ENOMEM', 'EAGAIN', 'EINTR', 'EPERM'], told: opening, later: uring, on: uring },
  uring_accept: {
    errnos: ACCEPT,
    told: /^listenError CODE accept$/,
    quiet: [...AGAIN, ...OF_THE_CONNECTION],
    on: uring,
  },
  uring_recv: {
    errnos: [...recv, 'ENOBUFS'],
    told: /^error CODE recv$/,
    quiet: [...AGAIN, 'EINVAL', 'ENOBUFS'],
    nth: () => 2, // the first connection is sent nothing
    on: uring,
  },
  uring_sendmsg: { errnos: send, told: /^error CODE send$/, quiet: AGAIN, on: uring },
  uring_connected: { errnos: ['ENOMEM', 'EBADF'], told: /^connectFailed CODE connect$/, on: uring },
  uring_watch: {
    errnos: ['ENOMEM', 'EBADF'],
    told: /^error CODE recv$/,
    // A connection that receives does without; one that is paused does not.
    nth: () => 2,
    times: 1000,
    later: uring,
    on: uring,
  },
  uring_wake: { errnos: ['ENOMEM', 'EBADF'], quiet: 'all', on: both(uring, thread), times: 3 },
  uring_poll: { errnos: ['ENOMEM', 'EBADF'], told: /^wait ended with 4$/, quiet: 'all', on: uring },
  uring_cancel: { errnos: ['ENOMEM', 'EINVAL', 'EINTR'], quiet: 'all', on: uring, times: 3 },

  uv_loop_init: { errnos: SHORT, told: opening, on: uv },
  uv_async_init: { errnos: SHORT, told: opening, on: uv },
  uv_poll_init: {
    errnos: ['ENOMEM', 'EPERM', 'EBADF', 'EEXIST'],
    told: /^((listenError|connectFailed) CODE \S+|wait ended with 5)$/,
    // Another number is tried; EPERM is taken for that of a new connection, and the listener is watched again.
    quiet: ['EEXIST', 'EPERM'],
    later: uv, // as for epoll_ctl; and what awaits room is then a write request
    on: uv,
  },
  uv_poll_start: {
    errnos: ['ENOMEM', 'EBADF', 'EINVAL'],
    told: /^((listenError|connectFailed) CODE \S+|wait ended with 5)$/,
    later: uv,
    on: uv,
  },
  uv_open: {
    errnos: ['EINVAL', 'ENOTSOCK', 'EBADF', 'EEXIST'],
    told: /^error CODE (recv|send)$/,
    quiet: ['EEXIST'],
    nth: () => 2, // as for uring_recv
    on: uv,
  },
  uv_read_start: {
    errnos: ['ENOTCONN', 'EALREADY', 'EINVAL'],
    told: /^error CODE recv$/,
    nth: () => 2,
    later: uv, // of the connection that the peer resets anyway
    on: uv,
  },
  uv_read: { errnos: recv, told: /^error CODE recv$/, quiet: AGAIN, on: uv },
  uv_try_write: { errnos: send, told: /^error CODE send$/, quiet: AGAIN, on: both(uv, thread) },
  uv_write: {
    errnos: ['ENOMEM', 'EBADF', 'EPIPE', 'ECANCELED'],
    told: /^error CODE send$/,
    on: both(uv, thread),
  },
}
