// The room of Node-API's calls that can be refused for a reason that is not our mistake. A status becomes an errno.
#pragma once

#include <node_api.h>
#include <uv.h>

#include "call.h"

#pragma weak napi_get_uv_event_loop
#pragma weak uv_poll_init
#pragma weak uv_poll_start

namespace sockman::sys {

/// The errno of a status: 0, ENOTSUP for what the runtime does not have, else ENOMEM.
inline int errorOf(napi_status status) {
  if (status == napi_ok) return 0;
  return status == napi_no_external_buffers_allowed ? ENOTSUP : ENOMEM;
}
template <class Call>
[[nodiscard]] inline int asked(Point point, Call&& call) {
  if (const int error = faultAt(point)) return error;
  return errorOf(call());
}

// These answer 0 or a positive errno.

[[nodiscard]] inline int makeArrayBuffer(napi_env env, void* memory, size_t size, napi_finalize finalize,
                                         void* hint, napi_value* buffer) {
  return asked(Point::arraybuffer,
               [&] { return napi_create_external_arraybuffer(env, memory, size, finalize, hint, buffer); });
}
[[nodiscard]] inline int makeThreadsafeFunction(napi_env env, napi_value name, napi_finalize finalize,
                                                void* context, napi_threadsafe_function_call_js call,
                                                napi_threadsafe_function* function) {
  return asked(Point::threadsafe_function, [&] {
    return napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, finalize, context,
                                           call, function);
  });
}
[[nodiscard]] inline int eventLoop(napi_env env, uv_loop_t** loop) {
  return asked(Point::event_loop, [&] { return napi_get_uv_event_loop(env, loop); });
}
[[nodiscard]] inline int makeReference(napi_env env, napi_value value, napi_ref* reference) {
  return asked(Point::reference, [&] { return napi_create_reference(env, value, 1, reference); });
}
[[nodiscard]] inline int addCleanupHook(napi_env env, void (*hook)(void*), void* data) {
  return asked(Point::cleanup_hook, [&] { return napi_add_env_cleanup_hook(env, hook, data); });
}
[[nodiscard]] inline int addCleanupHook(napi_env env, napi_async_cleanup_hook hook, void* data,
                                        napi_async_cleanup_hook_handle* handle) {
  return asked(Point::cleanup_hook, [&] { return napi_add_async_cleanup_hook(env, hook, data, handle); });
}
[[nodiscard]] inline int makeAsyncContext(napi_env env, napi_value name, napi_async_context* context) {
  return asked(Point::async_context, [&] { return napi_async_init(env, nullptr, name, context); });
}

// What Node's loop watches: 0, or a negative errno, as libuv answers.

[[nodiscard]] inline int watch(uv_loop_t* loop, uv_poll_t& handle, int fd) {
  const int error = faultAt(Point::watch);
  return error ? -error : uv_poll_init(loop, &handle, fd);
}
[[nodiscard]] inline int startWatch(uv_poll_t& handle, uv_poll_cb readable) {
  const int error = faultAt(Point::watch_start);
  return error ? -error : uv_poll_start(&handle, UV_READABLE, readable);
}

}  // namespace sockman::sys
