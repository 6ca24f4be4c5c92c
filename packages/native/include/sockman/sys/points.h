// The fault points: one for each call of the native half that the system, libuv or Node-API may refuse.
//
// A point is a name and nothing else: the rooms in this folder, and those of the backends (`sys_uring.h`, `sys_uv.h`),
// each say at one place which call is behind it. tests/faults/points.ts lists which errnos a call can answer, and what
// comes of each.
#pragma once

#include <cstdint>

// clang-format off
#define SOCKMAN_POINTS(POINT)                                                                    \
  /* socket.h */                                                                                 \
  POINT(socket) POINT(socketpair) POINT(bind) POINT(listen) POINT(connect) POINT(accept)         \
  POINT(sendmsg) POINT(send) POINT(recv) POINT(shutdown) POINT(getsockname) POINT(getpeername)   \
  POINT(getsockopt) POINT(setsockopt)                                                            \
  /* descriptor.h */                                                                             \
  POINT(fcntl) POINT(duplicate) POINT(ioctl) POINT(close) POINT(unlink) POINT(eventfd)           \
  POINT(getcwd) POINT(lstat)                                                                     \
  /* wait.h */                                                                                   \
  POINT(poll) POINT(select) POINT(epoll_create) POINT(epoll_ctl) POINT(epoll_wait)               \
  /* memory.h, thread.h */                                                                       \
  POINT(mmap) POINT(malloc) POINT(slots) POINT(thread)                                           \
  /* node.h */                                                                                   \
  POINT(arraybuffer) POINT(threadsafe_function) POINT(event_loop) POINT(reference)               \
  POINT(cleanup_hook) POINT(async_context) POINT(watch) POINT(watch_start)                       \
  /* sys_uring.h */                                                                              \
  POINT(uring_setup) POINT(uring_register) POINT(uring_probe) POINT(uring_enable) POINT(uring_enter) \
  POINT(uring_accept) POINT(uring_recv) POINT(uring_sendmsg) POINT(uring_connected)              \
  POINT(uring_watch) POINT(uring_wake) POINT(uring_poll) POINT(uring_cancel)                     \
  /* sys_uv.h */                                                                                 \
  POINT(uv_loop_init) POINT(uv_async_init) POINT(uv_poll_init) POINT(uv_poll_start)              \
  POINT(uv_open) POINT(uv_read_start) POINT(uv_read) POINT(uv_try_write)      \
  POINT(uv_write)
// clang-format on

namespace sockman::sys {

enum class Point : uint8_t {
#define SOCKMAN_POINT(name) name,
  SOCKMAN_POINTS(SOCKMAN_POINT)
#undef SOCKMAN_POINT
};

}  // namespace sockman::sys
