// The room of the socket calls. None blocks or raises SIGPIPE; a descriptor that one makes is closed on exec.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"

namespace sockman::sys {

#ifdef SOCK_CLOEXEC
constexpr int kStreamFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
#else
constexpr int kStreamFlags = 0;

/// Where a socket cannot be opened with both flags.
[[nodiscard]] inline int madeStream(int fd) {
  if (fd < 0) return fd;
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) return fd;
  const int error = errno;
  ::close(fd);
  return -error;
}
#endif

/// A stream socket.
[[nodiscard]] inline int socket(int family) {
  const int fd = once(Point::socket, [&] { return ::socket(family, SOCK_STREAM | kStreamFlags, 0); });
#ifdef SOCK_CLOEXEC
  return fd;
#else
  return madeStream(fd);
#endif
}
[[nodiscard]] inline int socketpair(int (&fds)[2]) {
  return once(Point::socketpair, [&] { return ::socketpair(AF_UNIX, SOCK_STREAM | kStreamFlags, 0, fds); });
}
[[nodiscard]] inline int bind(int fd, const sockaddr* address, socklen_t length) {
  return once(Point::bind, [&] { return ::bind(fd, address, length); });
}
[[nodiscard]] inline int listen(int fd, int backlog) {
  return once(Point::listen, [&] { return ::listen(fd, backlog); });
}
/// A connect that a signal ended goes on by itself (connect(2)), and is asked again by nobody: EINPROGRESS.
[[nodiscard]] inline int connect(int fd, const sockaddr* address, socklen_t length) {
  const int error = faultAt(Point::connect);
  if (error && error != EINTR) return -error;
  const int result = ::connect(fd, address, length) < 0 ? -errno : 0;
  return error == EINTR || result == -EINTR ? -EINPROGRESS : result;
}
/// The next connection of a listener.
[[nodiscard]] inline int accept(int listener, sockaddr* address = nullptr, socklen_t* length = nullptr) {
#ifdef SOCK_CLOEXEC
  return restarted(Point::accept, [&] { return ::accept4(listener, address, length, kStreamFlags); });
#else
  return madeStream(restarted(Point::accept, [&] { return ::accept(listener, address, length); }));
#endif
}

[[nodiscard]] inline ssize_t sendmsg(int fd, const msghdr& message, int flags) {
  return restarted(Point::sendmsg,
                   [&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags); });
}
[[nodiscard]] inline ssize_t recv(int fd, void* to, size_t length, int flags = 0) {
  return restarted(Point::recv, [&] { return ::recv(fd, to, length, MSG_DONTWAIT | flags); });
}
[[nodiscard]] inline int shutdown(int fd, int how) {
  return once(Point::shutdown, [&] { return ::shutdown(fd, how); });
}

[[nodiscard]] inline int getsockname(int fd, sockaddr* address, socklen_t* length) {
  return once(Point::getsockname, [&] { return ::getsockname(fd, address, length); });
}
[[nodiscard]] inline int getpeername(int fd, sockaddr* address, socklen_t* length) {
  return once(Point::getpeername, [&] { return ::getpeername(fd, address, length); });
}
[[nodiscard]] inline int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  return once(Point::getsockopt, [&] { return ::getsockopt(fd, level, name, value, length); });
}
[[nodiscard]] inline int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return once(Point::setsockopt, [&] { return ::setsockopt(fd, level, name, value, length); });
}

/// Of a Sock, which may block or not, as its owner has it: EINTR is told to that owner.
namespace raw {

[[nodiscard]] inline ssize_t send(int fd, const void* from, size_t length, int flags) {
  return once(Point::send, [&] { return ::send(fd, from, length, MSG_NOSIGNAL | flags); });
}
[[nodiscard]] inline ssize_t recv(int fd, void* to, size_t length, int flags) {
  return once(Point::recv, [&] { return ::recv(fd, to, length, flags); });
}
[[nodiscard]] inline int connect(int fd, const sockaddr* address, socklen_t length) {
  return once(Point::connect, [&] { return ::connect(fd, address, length); });
}
[[nodiscard]] inline int accept(int listener, sockaddr* address, socklen_t* length) {
#ifdef SOCK_CLOEXEC
  return once(Point::accept, [&] { return ::accept4(listener, address, length, kStreamFlags); });
#else
  return madeStream(once(Point::accept, [&] { return ::accept(listener, address, length); }));
#endif
}

}  // namespace raw

}  // namespace sockman::sys
