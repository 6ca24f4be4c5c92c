// The whole of an addon: an engine, the poller that its Socks wait with, and, where a seccomp filter may kill
// for the mechanism's system calls, an array of them to be rehearsed.
#pragma once

#include "binding.h"
#include "rehearsal.h"
#include "sock_calls.h"
#include "sock_host.h"

#ifdef SOCKMAN_FAULTS
#define SOCKMAN_ADD_FAULTS(env, exports) exports.Set("faults", sockman::sys::FaultSwitch::init(env))
#else
#define SOCKMAN_ADD_FAULTS(env, exports)
#endif

#define SOCKMAN_ADDON(EngineClass, PollerClass, ...)                     \
  static Napi::Object sockmanInit(Napi::Env env, Napi::Object exports) { \
    SOCKMAN_ADD_FAULTS(env, exports);                                    \
    exports.Set("sock", sockman::SockCalls::init(env));                  \
    sockman::Rehearsal::init(env, exports, {__VA_ARGS__});               \
    sockman::SockHost<PollerClass>::init(env, exports);                  \
    return sockman::Binding<EngineClass>::init(env, exports);            \
  }                                                                      \
  NODE_API_MODULE(NODE_GYP_MODULE_NAME, sockmanInit)
