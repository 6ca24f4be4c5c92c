// Opening sockets: raw calls on the caller's thread, with synchronous errors. Engines only wait (N16). A
// number such as N16 is a line of docs/native.md.
#pragma once

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "address.h"
#include "fd.h"
#include "result.h"
#include "socket_file.h"
#include "sys/descriptor.h"
#include "sys/socket.h"

namespace sockman {

/// -1 for what stays as the socket has it.
struct ConnectionOptions {
  int noDelay = -1;
  int keepAlive = -1;          // seconds, 0 = off
  int keepAliveInterval = -1;  // seconds
  int keepAliveCount = -1;
  int userTimeout = -1;  // ms, 0 = the kernel's
};

struct ListenOptions : ConnectionOptions {
  int backlog = 511;
  bool reusePort = false;
  bool ipv6Only = true;
};

/// Options that could not be set: not fatal, a warning each (C6).
using Warnings = std::vector<Failure>;

inline void setOption(int fd, int level, int name, int value, const char* what, Warnings& warnings) {
  const int answer = sys::setsockopt(fd, level, name, &value, sizeof value);
  if (answer < 0) warnings.push_back(Failure::of(answer, what));
}

/// TCP options of a connection; on a listener, Linux hands them down to what it accepts (N17).
inline void applyOptions(int fd, int family, const ConnectionOptions& options, Warnings& warnings) {
  if (family != AF_INET && family != AF_INET6) return;
  const auto set = [&](int level, int name, int value, const char* what) {
    if (value >= 0) setOption(fd, level, name, value, what, warnings);
  };
  set(IPPROTO_TCP, TCP_NODELAY, options.noDelay, "TCP_NODELAY");
  set(SOL_SOCKET, SO_KEEPALIVE, std::min(options.keepAlive, 1), "SO_KEEPALIVE");
#ifdef TCP_KEEPIDLE
  // 0 is no time, but the end of the probes.
  if (options.keepAlive > 0) set(IPPROTO_TCP, TCP_KEEPIDLE, options.keepAlive, "TCP_KEEPIDLE");
  set(IPPROTO_TCP, TCP_KEEPINTVL, options.keepAliveInterval, "TCP_KEEPINTVL");
  set(IPPROTO_TCP, TCP_KEEPCNT, options.keepAliveCount, "TCP_KEEPCNT");
#endif
#ifdef TCP_USER_TIMEOUT
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, options.userTimeout, "TCP_USER_TIMEOUT");
#endif
}

/// Non-blocking and close-on-exec, where a descriptor was not opened that way. 0, or a negative errno.
inline int setStreamFlags(int fd) {
  const int flags = sys::flags(fd);
  if (flags < 0) return flags;
  if (const int error = sys::setFlags(fd, flags | O_NONBLOCK)) return error;
  return sys::setCloseOnExec(fd);
}

/// @param limit the engine's: a descriptor at or beyond it is refused, before it has done anything (N25)
inline Result<Fd> openStream(int family, int limit) {
  const int raw = sys::socket(family);
  if (raw < 0) return Failure::of(raw, "socket");
  Fd fd(raw);
  if (raw >= limit) return Failure::unwatchable(raw);
  return fd;
}

/// A listening socket, and the file that it has made.
struct Listening {
  Fd fd;
  SocketFile file;
};

inline Result<Listening> openListener(const Address& address, const ListenOptions& options, int limit,
                                      Warnings& warnings) {
  auto fd = openStream(address.family(), limit);
  if (!fd) return fd.failure();
  const int raw = fd->get();
  if (address.family() != AF_UNIX) setOption(raw, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", warnings);
  if (address.family() == AF_INET6) {
    setOption(raw, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6Only, "IPV6_V6ONLY", warnings);
  }
  if (options.reusePort) setOption(raw, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", warnings);
  applyOptions(raw, address.family(), options, warnings);
  if (const int error = sys::bind(raw, address.get(), address.length)) return Failure::of(error, "bind");
  Listening listening{std::move(*fd), SocketFile::madeAt(address.filePath())};
  if (const int error = sys::listen(raw, options.backlog)) {
    listening.file.remove();
    return Failure::of(error, "listen");
  }
  return listening;
}

/// Gives a socket that is to connect its own end. 0, or a negative errno.
inline int bindLocal(int fd, const Address& from) {
  if (from.family() != AF_UNIX) {
    // As node:net has it: a fixed port can be used while an old connection from there is in TIME_WAIT. Refused, it
    // cannot, and bind(2) says so.
    const int one = 1;
    sys::ignored(sys::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
#ifdef IP_BIND_ADDRESS_NO_PORT
    // connect(2) chooses the port, by both ends: chosen by bind(2), a port serves one connection, whereto ever, and
    // an address has no more than 28 000 (ip(7)).
    if (from.port() == 0)
      sys::ignored(sys::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one));
#endif
  }
  return sys::bind(fd, from.get(), from.length);
}

/// sendmsg(2) that neither blocks nor signals (N9): a count, or a negative errno.
inline ssize_t sendParts(int fd, const iovec* parts, int count, int flags = 0) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
  return sys::sendmsg(fd, message, flags);
}

/// A descriptor from outside becomes non-blocking and close-on-exec, after a check that it is a stream socket
/// in the wanted state and below the engine's limit.
inline Result<Fd> adoptStream(int raw, bool listening, int limit) {
  Fd fd(raw);
  if (raw >= limit) return Failure::unwatchable(raw);
  int type = 0;
  int accepting = 0;
  socklen_t length = sizeof type;
  if (const int error = sys::getsockopt(raw, SOL_SOCKET, SO_TYPE, &type, &length))
    return Failure::of(error, "adopt");
  length = sizeof accepting;
  if (const int error = sys::getsockopt(raw, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &length))
    return Failure::of(error, "adopt");
  if (type != SOCK_STREAM || (accepting != 0) != listening) return Failure{EINVAL, "adopt"};
  if (!listening) {
    const auto peer = peerAddress(raw);
    if (!peer) return Failure{peer.failure().error, "adopt"};
  }
  if (const int error = setStreamFlags(raw)) return Failure::of(error, "fcntl");
  return fd;
}

/// The pending error of a socket (SO_ERROR), which reading clears; why it cannot be read, where it cannot.
inline int takeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  const int answer = sys::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return answer < 0 ? -answer : error;
}

/// Whether a TCP connection that we have not shut down is over in both directions: it was reset (N15). After
/// the peer's FIN alone it would be in CLOSE_WAIT. False for other sockets, and where the system does not
/// say.
inline bool isBroken([[maybe_unused]] int fd) {
#ifdef __linux__
  tcp_info info{};
  socklen_t length = sizeof info;
  return sys::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_CLOSE;
#else
  return false;
#endif
}

/// Bytes that the kernel has taken and the peer's has not acknowledged (tcp(7), SIOCOUTQ), our end left out. Also
/// after a reset, which has lost them. 0 for what is not TCP, and where the system does not say.
inline int64_t unacknowledged([[maybe_unused]] int fd, [[maybe_unused]] bool ended) {
#ifdef __linux__
  tcp_info info{};
  socklen_t length = sizeof info;
  if (sys::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0) return 0;
  const int bytes = sys::unacknowledged(fd);
  return std::max(0, bytes - (ended ? 1 : 0));
#else
  return 0;
#endif
}

/// Errors after which the same call may be tried again.
inline bool isTransient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// Errors of accept(2) that are the new connection's and gone with it: the next one may be accepted at once
/// (N43).
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
