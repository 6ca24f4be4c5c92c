// The other side of the ports: real sockets, and bytes that say whose they are and where in the stream.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sockman/address.h>
#include <sockman/check.h>
#include <sockman/fd.h>
#include <sockman/sockets.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace sockman::test {

/// The byte at `position` of the stream that `tag` names.
inline std::byte byteOf(uint32_t tag, uint64_t position) {
  uint64_t mixed = (position + 1) * 0x9e3779b97f4a7c15u ^ tag * 0xc2b2ae3d27d4eb4fu;
  mixed ^= mixed >> 29;
  return static_cast<std::byte>(mixed ^ mixed >> 17);
}
inline void fillBytes(std::byte* to, uint32_t tag, uint64_t position, size_t length) {
  for (size_t i = 0; i < length; i++) to[i] = byteOf(tag, position + i);
}
inline void checkBytes(const std::byte* bytes, uint32_t tag, uint64_t position, size_t length) {
  for (size_t i = 0; i < length; i++) SOCKMAN_CHECK(bytes[i] == byteOf(tag, position + i));
}

/// Two connected sockets that do not block.
struct Pair {
  Fd ours, theirs;
};

inline Pair unixPair() {
  int raw[2];
  SOCKMAN_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, raw) == 0);
  return {Fd(raw[0]), Fd(raw[1])};
}

/// A listener on a loopback port that the kernel chooses.
inline Fd listenOnLoopback(int backlog = 128) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Else a port whose last connection is in TIME_WAIT is none, and other tests may have left no others.
  const int yes = 1;
  SOCKMAN_CHECK(::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  SOCKMAN_CHECK(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  SOCKMAN_CHECK(::listen(fd.get(), backlog) == 0);
  return fd;
}

/// A connection to the listener that may still be under way; empty when it was refused at once.
inline Fd beginConnect(const Address& listener) {
  Fd fd(::socket(listener.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), listener.get(), listener.length) == 0 || errno == EINPROGRESS) return fd;
  SOCKMAN_CHECK(errno == ECONNREFUSED);
  return Fd();
}
inline Fd beginConnect(const Fd& listener) {
  return beginConnect(*localAddress(listener.get()));
}

inline Pair tcpPair() {
  const Fd listener = listenOnLoopback();
  Pair pair;
  pair.theirs = beginConnect(listener);
  pair.ours = Fd(sys::accept(listener.get()));
  SOCKMAN_CHECK(pair.ours);
  return pair;
}

enum class Family { local, tcp };
inline constexpr std::array kFamilies{Family::local, Family::tcp};
inline Pair pairOf(Family family) {
  return family == Family::tcp ? tcpPair() : unixPair();
}

/// Closes a TCP socket so that its peer meets ECONNRESET.
inline void resetConnection(Fd& fd) {
  const linger now{1, 0};
  SOCKMAN_CHECK(setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  fd.reset();
}

/// The far end of a port: what it wrote and what it read, counted.
struct Peer {
  Fd fd;
  uint32_t tag;
  uint64_t wrote = 0, read = 0;
  bool ended = false;  // it read the end of the stream, or an error

  /// Writes as much of the next `length` bytes as the kernel takes, in large pieces: on a Unix socket a piece stays one.
  size_t write(size_t length) {
    std::vector<std::byte> bytes(400'000);
    size_t done = 0;
    while (done < length) {
      const size_t piece = std::min(bytes.size(), length - done);
      fillBytes(bytes.data(), tag, wrote, piece);
      const ssize_t n = ::send(fd.get(), bytes.data(), piece, MSG_NOSIGNAL);
      if (n <= 0) break;
      done += static_cast<size_t>(n);
      wrote += static_cast<size_t>(n);
    }
    return done;
  }
  /// Reads all that is there, and checks each byte.
  size_t drain() {
    std::array<std::byte, 16384> bytes;
    size_t done = 0;
    while (!ended) {
      const ssize_t n = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
      if (n < 0 && isTransient(errno)) break;
      if (n <= 0) {
        ended = true;
        break;
      }
      checkBytes(bytes.data(), tag, read, static_cast<size_t>(n));
      read += static_cast<size_t>(n);
      done += static_cast<size_t>(n);
    }
    return done;
  }
  /// Reads until `position` of the stream: what the kernel has taken may still be on its way.
  void drainTo(uint64_t position) {
    while (drain(), read < position && !ended) {
      pollfd entry{fd.get(), POLLIN, 0};
      SOCKMAN_CHECK(::poll(&entry, 1, 20'000) == 1);
    }
    SOCKMAN_CHECK(read == position);
  }
  void endWriting() { ::shutdown(fd.get(), SHUT_WR); }
};

/// Lowers RLIMIT_NOFILE while it lasts.
class DescriptorLimit {
 public:
  DescriptorLimit() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimit() { lift(); }
  /// `more` further descriptors may be opened.
  void allow(int more) {
    lift();
    // The lowest numbers are given out first: those that are free now are taken for the moment.
    std::array<Fd, 16> taken;
    SOCKMAN_CHECK(more < static_cast<int>(taken.size()));
    for (int i = 0; i <= more; i++) taken[static_cast<size_t>(i)] = Fd(::dup(0));
    set(static_cast<rlim_t>(taken[static_cast<size_t>(more)].get()));
  }
  void lift() { set(before_.rlim_cur); }

 private:
  void set(rlim_t most) {
    const rlimit limit{most, before_.rlim_max};
    SOCKMAN_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  rlimit before_;
};

}  // namespace sockman::test
