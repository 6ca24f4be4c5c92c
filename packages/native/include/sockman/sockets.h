// Opening sockets: raw calls on the caller's thread, with synchronous errors. Engines only wait.
#pragma once

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vector>

#include "address.h"
#include "fd.h"
#include "result.h"

namespace sockman {

struct ConnectionOptions {
  bool noDelay = true;
  int keepAlive = 0;  // seconds, 0 = off
};

struct ListenOptions : ConnectionOptions {
  int backlog = 511;
  bool reusePort = false;
  bool ipv6Only = true;
};

/// Options that could not be set: not fatal, a warning each (C6).
using Warnings = std::vector<Failure>;

inline void setOption(int fd, int level, int name, int value, const char* what, Warnings& warnings) {
  if (setsockopt(fd, level, name, &value, sizeof value) != 0) warnings.push_back(Failure::last(what));
}

/// TCP options of a connection; on a listener they are inherited by what it accepts (Linux).
inline void applyOptions(int fd, int family, const ConnectionOptions& options, Warnings& warnings) {
  if (family != AF_INET && family != AF_INET6) return;
  if (options.noDelay) setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY", warnings);
  if (options.keepAlive > 0) {
    setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE", warnings);
#ifdef TCP_KEEPIDLE
    setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepAlive, "TCP_KEEPIDLE", warnings);
#endif
  }
}

/// Non-blocking and close-on-exec, where a descriptor was not opened that way.
inline bool setStreamFlags(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/// @param limit the engine's: a descriptor at or beyond it is refused, before it has done anything
inline Result<Fd> openStream(int family, int limit) {
#ifdef SOCK_CLOEXEC
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return Failure::last("socket");
#else
  Fd fd(::socket(family, SOCK_STREAM, 0));
  if (!fd || !setStreamFlags(fd.get())) return Failure::last("socket");
#endif
  if (fd.get() >= limit) return Failure::unwatchable(fd.get());
  return fd;
}

inline Result<Fd> openListener(const Address& address, const ListenOptions& options, int limit,
                               Warnings& warnings) {
  auto fd = openStream(address.family(), limit);
  if (!fd) return fd;
  const int raw = fd->get();
  if (address.family() != AF_UNIX) setOption(raw, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", warnings);
  if (address.family() == AF_INET6) {
    setOption(raw, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6Only, "IPV6_V6ONLY", warnings);
  }
  if (options.reusePort) setOption(raw, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", warnings);
  applyOptions(raw, address.family(), options, warnings);
  if (::bind(raw, address.get(), address.length) != 0) return Failure::last("bind");
  if (::listen(raw, options.backlog) != 0) {
    const Failure failure = Failure::last("listen");
    if (address.family() == AF_UNIX) ::unlink(address.path().c_str());
    return failure;
  }
  return fd;
}

/// accept(2): a descriptor that does not block and is closed on exec, or -1 and errno.
inline int acceptStream(int listener) {
#ifdef SOCK_CLOEXEC
  return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd >= 0) setStreamFlags(fd);
  return fd;
#endif
}

/// sendmsg(2) that neither blocks nor signals: a count, or a negative errno.
inline ssize_t sendParts(int fd, const iovec* parts, int count, int flags = 0) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
  ssize_t n;
  do {
    n = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

/// A descriptor from outside becomes non-blocking and close-on-exec, after a check that it is a stream socket
/// in the wanted state and below the engine's limit.
inline Result<Fd> adoptStream(int raw, bool listening, int limit) {
  Fd fd(raw);
  if (raw >= limit) return Failure::unwatchable(raw);
  int type = 0;
  int accepting = 0;
  socklen_t length = sizeof type;
  if (getsockopt(raw, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return Failure::last("adopt");
  length = sizeof accepting;
  if (getsockopt(raw, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length) != 0) return Failure::last("adopt");
  if (type != SOCK_STREAM || (accepting != 0) != listening) return Failure{EINVAL, "adopt"};
  if (!listening && peerAddress(raw).length == 0) return Failure{ENOTCONN, "adopt"};
  if (!setStreamFlags(raw)) return Failure::last("fcntl");
  return fd;
}

/// The pending error of a socket (SO_ERROR), which reading clears.
inline int takeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/// Whether a TCP connection that we have not shut down is over in both directions: it was reset. After the
/// peer's FIN alone it would be in CLOSE_WAIT. False for other sockets, and where the system does not say.
inline bool isBroken([[maybe_unused]] int fd) {
#ifdef __linux__
  tcp_info info{};
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_CLOSE;
#else
  return false;
#endif
}

/// Errors after which the same call may be tried again.
inline bool isTransient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// Errors of accept(2) that are the new connection's and gone with it: the next one may be accepted at once.
inline bool isOfConnection(int error) {
  switch (error) {
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace sockman
