// A sockaddr and its text, in the grammar of core's SockAddr (which has validated what arrives here).
#pragma once

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "narrow.h"
#include "result.h"
#include "sys/socket.h"

namespace sockman {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  int family() const { return storage.ss_family; }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  /// Empty for text that core would have refused, or a zone that names no interface.
  static std::optional<Address> parse(const std::string& text) {
    if (text.rfind("unix:", 0) == 0) return unixPath(text.substr(5));
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    const uint16_t port = htons(narrow<uint16_t>(std::atoi(text.c_str() + colon + 1)));
    if (text[0] != '[') return ipv4(text.substr(0, colon), port);
    return colon < 2 ? std::nullopt : ipv6(text.substr(1, colon - 2), port);
  }

  /// All zero: for an address that the system does not tell.
  static Address unspecified(int family) {
    Address address;
    address.storage.ss_family = static_cast<sa_family_t>(family);
    address.length = family == AF_INET    ? sizeof(sockaddr_in)
                     : family == AF_INET6 ? sizeof(sockaddr_in6)
                                          : sizeof(sa_family_t);
    return address;
  }

  std::string text() const {
    switch (family()) {
      case AF_INET: {
        const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
        char host[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        return std::string(host) + ":" + std::to_string(ntohs(in.sin_port));
      }
      case AF_INET6: {
        const auto& in = reinterpret_cast<const sockaddr_in6&>(storage);
        char host[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        return "[" + std::string(host) + zone(in.sin6_scope_id) + "]:" + std::to_string(ntohs(in.sin6_port));
      }
      default:
        return "unix:" + path();
    }
  }

  /// Of an IP address.
  uint16_t port() const {
    return ntohs(family() == AF_INET ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                                     : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  }

  /// The path in the file system; empty when there is none.
  std::string filePath() const {
    const std::string name = family() == AF_UNIX ? path() : "";
    return name.empty() || name[0] == '@' ? "" : name;
  }

  /// Path of a Unix address, `@name` when abstract, empty when unnamed.
  std::string path() const {
    const auto& un = reinterpret_cast<const sockaddr_un&>(storage);
    const size_t offset = offsetof(sockaddr_un, sun_path);
    if (family() != AF_UNIX || length <= offset) return "";
    if (un.sun_path[0] == '\0') return "@" + std::string(un.sun_path + 1, length - offset - 1);
    return std::string(un.sun_path, strnlen(un.sun_path, length - offset));
  }

 private:
  static std::optional<Address> ipv4(const std::string& host, uint16_t port) {
    Address address;
    auto& in = reinterpret_cast<sockaddr_in&>(address.storage);
    in.sin_family = AF_INET;
    in.sin_port = port;
    address.length = sizeof in;
    if (inet_pton(AF_INET, host.c_str(), &in.sin_addr) != 1) return std::nullopt;
    return address;
  }

  static std::optional<Address> ipv6(const std::string& text, uint16_t port) {
    Address address;
    auto& in = reinterpret_cast<sockaddr_in6&>(address.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = port;
    address.length = sizeof in;
    const size_t percent = text.find('%');
    if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &in.sin6_addr) != 1) return std::nullopt;
    if (percent != std::string::npos) {
      const char* name = text.c_str() + percent + 1;
      const unsigned index = if_nametoindex(name);
      // Numbers are 32 bits wide: cut, a larger one would name another interface.
      const unsigned long scope = index ? index : std::strtoul(name, nullptr, 10);
      if (scope == 0 || scope > UINT32_MAX) return std::nullopt;
      in.sin6_scope_id = narrow<uint32_t>(scope);
    }
    return address;
  }

  static std::optional<Address> unixPath(const std::string& path) {
    Address address;
    auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
    if (path.empty() || path.size() >= sizeof un.sun_path) return std::nullopt;
    un.sun_family = AF_UNIX;
    const bool abstract = path[0] == '@';
    std::memcpy(un.sun_path + abstract, path.data() + abstract, path.size() - abstract);
    // An abstract name has no terminator: its length is part of it (unix(7)).
    address.length = narrow<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + !abstract);
    return address;
  }

  /// By name, where core's grammar has the name. An interface may have almost any (`vpn+1`, `a]b`), which
  /// anybody chooses who may make one; its number always does.
  static std::string zone(uint32_t scope) {
    if (scope == 0) return "";
    char name[IF_NAMESIZE];
    const bool named = if_indextoname(scope, name) && std::all_of(name, name + std::strlen(name), [](char c) {
                         return c > ' ' && c <= '~' && std::strchr("%/:[]", c) == nullptr;
                       });
    return "%" + (named ? std::string(name) : std::to_string(scope));
  }
};

inline Result<Address> localAddress(int fd) {
  Address address;
  address.length = sizeof address.storage;
  const int answer = sys::getsockname(fd, address.get(), &address.length);
  if (answer < 0) return Failure::of(answer, "getsockname");
  return address;
}

inline Result<Address> peerAddress(int fd) {
  Address address;
  address.length = sizeof address.storage;
  const int answer = sys::getpeername(fd, address.get(), &address.length);
  if (answer < 0) return Failure::of(answer, "getpeername");
  return address;
}

/// The peer of a connection that was accepted, also when the connection is over: of one that its peer reset
/// before anybody asked, getpeername(2) says ENOTCONN, and SO_PEERNAME (Linux) still says what accept(2) would
/// have written. `family` is the socket's.
inline Result<Address> acceptedFrom(int fd, [[maybe_unused]] int family) {
  auto peer = peerAddress(fd);
#ifdef SO_PEERNAME
  if (!peer && peer.failure().error == ENOTCONN) {
    // The length must be the address's own: more is EINVAL.
    Address address = Address::unspecified(family);
    if (sys::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, address.get(), &address.length) == 0) return address;
  }
#endif
  return peer;
}

}  // namespace sockman
