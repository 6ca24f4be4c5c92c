// The room of the waits. One that a signal ended answers EINTR: whoever waits looks at the clock, and waits again.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "call.h"

namespace sockman::sys {

[[nodiscard]] inline int poll(pollfd* entries, size_t count, int milliseconds) {
  return once(Point::poll, [&] { return ::poll(entries, static_cast<nfds_t>(count), milliseconds); });
}
/// Most entries that a poll takes: with more it answers EINVAL (poll(2)). A question that is never refused.
[[nodiscard]] inline size_t mostPolled() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<size_t>(limit.rlim_cur);
}
/// Until there is something to read, or the time is over. No fault point: it is what a wait that was refused comes to,
/// and any answer ends it.
inline void awaitSignal(int fd, int milliseconds) {
  pollfd entry{fd, POLLIN, 0};
  ::poll(&entry, 1, milliseconds);
}
[[nodiscard]] inline int select(int end, fd_set* read, fd_set* write, timeval* timeout) {
  return once(Point::select, [&] { return ::select(end, read, write, nullptr, timeout); });
}

[[nodiscard]] inline int epollCreate() {
  return once(Point::epoll_create, [] { return ::epoll_create1(EPOLL_CLOEXEC); });
}
[[nodiscard]] inline int epollControl(int epoll, int operation, int fd, epoll_event* event) {
  return once(Point::epoll_ctl, [&] { return ::epoll_ctl(epoll, operation, fd, event); });
}
[[nodiscard]] inline int epollWait(int epoll, epoll_event* events, int most, int milliseconds) {
  return once(Point::epoll_wait, [&] { return ::epoll_wait(epoll, events, most, milliseconds); });
}

}  // namespace sockman::sys
