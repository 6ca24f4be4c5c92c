/**
 * The C interface's numbers, Linux's (x64 and arm64 share them). A backend of another platform translates.
 *
 * Events are those of `wait` and `waitMany`; names and values as in Bitcoin Core's `util/sock.h`.
 */

/** Readable: bytes, an end of stream, or a connection to accept. */
export const RecvEvent = 1
/** Writable: room to send, or a `connect` that came to an end. */
export const SendEvent = 2
/** An error or a hang-up; needs no asking. Also: the Sock was closed while waited for. */
export const ErrorEvent = 4

/** recv(2), send(2): look at the bytes and leave them. */
export const MSG_PEEK = 0x2
/** Never block in this call. */
export const MSG_DONTWAIT = 0x40
/** recv: wait for the full length. */
export const MSG_WAITALL = 0x100
/** No SIGPIPE; `send` always sets it. */
export const MSG_NOSIGNAL = 0x4000
/** send: more follows, hold a partial segment back (tcp(7), at most 200 ms). */
export const MSG_MORE = 0x8000

/** shutdown(2). */
export const SHUT_RD = 0
export const SHUT_WR = 1
export const SHUT_RDWR = 2

/** Levels of getsockopt(2). */
export const SOL_SOCKET = 1
export const IPPROTO_TCP = 6
export const IPPROTO_IPV6 = 41

/** Options of {@link SOL_SOCKET}, socket(7). */
export const SO_REUSEADDR = 2
export const SO_TYPE = 3
export const SO_ERROR = 4
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_ACCEPTCONN = 30

/** Option of {@link IPPROTO_TCP}, tcp(7). */
export const TCP_NODELAY = 1
/** Option of {@link IPPROTO_IPV6}, ipv6(7). */
export const IPV6_V6ONLY = 26

/** ms: the longest that `sendComplete` and `recvUntilTerminator` wait at a time. Source: `util/sock.h`. */
export const MAX_WAIT_FOR_IO = 1000
