// The primitives of a Sock: one system call each, on the caller's thread. Core has checked the arguments;
// each answers a count (or 0) or a negative errno and throws nothing. A buffer whose memory is gone is
// -EFAULT.
#pragma once

#include <napi.h>

#include <algorithm>
#include <climits>

#include "narrow.h"
#include "sockets.h"

namespace sockman {

class SockCalls {
 public:
  using Info = Napi::CallbackInfo;

  static Napi::Object init(Napi::Env env) {
    Napi::Object calls = Napi::Object::New(env);
    const auto add = [&](const char* name, Napi::Value (*call)(const Info&)) {
      calls.Set(name, Napi::Function::New(env, call, name));
    };
    add("socket", socket);
    add("socketPair", socketPair);
    add("check", check);
    add("send", send);
    add("recv", recv);
    add("connect", connect);
    add("bind", bind);
    add("listen", listen);
    add("accept", accept);
    add("getSockOpt", getSockOpt);
    add("setSockOpt", setSockOpt);
    add("getSockName", getSockName);
    add("getPeerName", getPeerName);
    add("setNonBlocking", setNonBlocking);
    add("shutdown", shutdown);
    add("openBell", openBell);
    add("ringBell", ringBell);
    add("clearBell", clearBell);
    return calls;
  }

 private:
  struct Memory {
    char* at = nullptr;
    size_t size = 0;
  };

  static int integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
  static Napi::Value number(const Info& info, ssize_t result) {
    return Napi::Number::New(info.Env(), static_cast<double>(result));
  }
  static Memory memory(const Napi::Value& view) {
    Memory memory;
    void* at = nullptr;
    napi_get_typedarray_info(view.Env(), view, nullptr, &memory.size, &at, nullptr, nullptr);
    memory.at = static_cast<char*>(at);
    if (!at) memory.size = 0;
    return memory;
  }

  /// ('ipv4' | 'ipv6' | 'unix') → descriptor, with `TCP_NODELAY` for IP
  static Napi::Value socket(const Info& info) {
    const std::string name = info[0].As<Napi::String>();
    const int family = name == "ipv4" ? AF_INET : name == "ipv6" ? AF_INET6 : AF_UNIX;
    const int fd = sys::socket(family);
    const int on = 1;
    // Not fatal: without it small sends may be late (C6).
    if (fd >= 0 && family != AF_UNIX)
      sys::ignored(sys::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return number(info, fd);
  }
  /// () → [descriptor, descriptor]
  static Napi::Value socketPair(const Info& info) {
    int fds[2];
    if (const int error = sys::socketpair(fds)) return number(info, error);
    Napi::Array pair = Napi::Array::New(info.Env(), 2);
    for (uint32_t i = 0; i < 2; i++) pair.Set(i, fds[i]);
    return pair;
  }
  /// (fd): whether it is an open socket
  static Napi::Value check(const Info& info) {
    int type = 0;
    socklen_t length = sizeof type;
    return number(info, sys::getsockopt(integer(info[0]), SOL_SOCKET, SO_TYPE, &type, &length));
  }

  /// (fd, data, offset, flags)
  static Napi::Value send(const Info& info) {
    const Memory data = memory(info[1]);
    const auto offset = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
    if (offset >= data.size) return number(info, -EFAULT);
    return number(info,
                  sys::raw::send(integer(info[0]), data.at + offset, data.size - offset, integer(info[3])));
  }
  /// (fd, buffer, length, flags)
  static Napi::Value recv(const Info& info) {
    const Memory buffer = memory(info[1]);
    const auto length = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
    if (length == 0 || length > buffer.size) return number(info, -EFAULT);
    // MSG_TRUNC would answer more than there is room for.
    return number(info, sys::raw::recv(integer(info[0]), buffer.at, length, integer(info[3]) & ~MSG_TRUNC));
  }

  /// (fd, address): ENODEV for a zone that names no interface
  static Napi::Value connect(const Info& info) { return withAddress(info, sys::raw::connect); }
  static Napi::Value bind(const Info& info) { return withAddress(info, sys::bind); }
  static Napi::Value withAddress(const Info& info, int (*call)(int, const sockaddr*, socklen_t)) {
    const auto address = Address::parse(info[1].As<Napi::String>());
    if (!address) return number(info, -ENODEV);
    return number(info, call(integer(info[0]), address->get(), address->length));
  }
  /// (fd, backlog)
  static Napi::Value listen(const Info& info) {
    return number(info, sys::listen(integer(info[0]), integer(info[1])));
  }
  /// (fd) → [descriptor, address]
  static Napi::Value accept(const Info& info) {
    Address them;
    them.length = sizeof them.storage;
    const int fd = sys::raw::accept(integer(info[0]), them.get(), &them.length);
    if (fd < 0) return number(info, fd);
    Napi::Array accepted = Napi::Array::New(info.Env(), 2);
    accepted.Set(0u, fd);
    accepted.Set(1u, them.text());
    return accepted;
  }

  /// (fd, level, name, value) → bytes filled
  static Napi::Value getSockOpt(const Info& info) {
    const Memory value = memory(info[3]);
    auto length = narrow<socklen_t>(std::min<size_t>(value.size, INT_MAX));
    char none = 0;
    const int result = sys::getsockopt(integer(info[0]), integer(info[1]), integer(info[2]),
                                       value.at ? value.at : &none, &length);
    return number(info, result < 0 ? result : static_cast<ssize_t>(length));
  }
  /// (fd, level, name, value)
  static Napi::Value setSockOpt(const Info& info) {
    const Memory value = memory(info[3]);
    const auto length = narrow<socklen_t>(std::min<size_t>(value.size, INT_MAX));
    const char none = 0;
    return number(info, sys::setsockopt(integer(info[0]), integer(info[1]), integer(info[2]),
                                        value.at ? value.at : &none, length));
  }

  /// (fd) → address
  static Napi::Value getSockName(const Info& info) { return name(info, sys::getsockname); }
  static Napi::Value getPeerName(const Info& info) { return name(info, sys::getpeername); }
  static Napi::Value name(const Info& info, int (*call)(int, sockaddr*, socklen_t*)) {
    Address address;
    address.length = sizeof address.storage;
    const int error = call(integer(info[0]), address.get(), &address.length);
    if (error < 0) return number(info, error);
    const int family = address.family();
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) return number(info, -EAFNOSUPPORT);
    return Napi::String::New(info.Env(), address.text());
  }

  /// (fd)
  static Napi::Value setNonBlocking(const Info& info) {
    const int fd = integer(info[0]);
    const int flags = sys::flags(fd);
    return number(info, flags < 0 ? flags : sys::setFlags(fd, flags | O_NONBLOCK));
  }
  /// (fd, how)
  static Napi::Value shutdown(const Info& info) {
    return number(info, sys::shutdown(integer(info[0]), integer(info[1])));
  }
  /// () → an eventfd, for ThreadInterrupt
  static Napi::Value openBell(const Info& info) { return number(info, sys::eventfd()); }
  /// (fd)
  static Napi::Value ringBell(const Info& info) { return number(info, sys::signal(integer(info[0]))); }
  static Napi::Value clearBell(const Info& info) { return number(info, sys::takeSignals(integer(info[0]))); }
};

}  // namespace sockman
