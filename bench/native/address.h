// Numeric TCP addresses; names are not resolved.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <string>

#include "fatal.h"

namespace bench {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  /** From an IP address and a port in text; ends the process when they are none. */
  static Address Parse(const char* host, const char* port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host, port, &hints, &found); error != 0) {
      Fatal((std::string("not an address: ") + host + " " + port + ": " + gai_strerror(error)).c_str());
    }
    Address address;
    address.size = found->ai_addrlen;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return address;
  }

  /** `127.0.0.1:8333`, `[::1]:8333`. */
  std::string ToString() const {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(get(), size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) !=
        0) {
      return "?";
    }
    std::string text = storage.ss_family == AF_INET6 ? "[" : "";
    return text.append(host).append(storage.ss_family == AF_INET6 ? "]:" : ":").append(port);
  }
};

}  // namespace bench
