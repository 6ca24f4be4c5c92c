// The whole of an addon: an engine, and the poller that its Socks wait with.
#pragma once

#include "binding.h"
#include "sock_calls.h"
#include "sock_host.h"

#define SOCKMAN_ADDON(EngineClass, PollerClass)                          \
  static Napi::Object sockmanInit(Napi::Env env, Napi::Object exports) { \
    exports.Set("sock", sockman::SockCalls::init(env));                  \
    sockman::SockHost<PollerClass>::init(env, exports);                  \
    return sockman::Binding<EngineClass>::init(env, exports);            \
  }                                                                      \
  NODE_API_MODULE(NODE_GYP_MODULE_NAME, sockmanInit)
