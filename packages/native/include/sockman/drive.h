// Who runs a loop: the interface that the binding knows. All members are for the JavaScript thread.
#pragma once

#include <node_api.h>

#include "command.h"

namespace sockman {

class Drive {
 public:
  virtual ~Drive() = default;
  /// Once, before the first post.
  virtual void start() = 0;
  virtual void post(Command&& command) = 0;
  /// JavaScript consumed something that the loop waits for.
  virtual void wake() = 0;
  /// Asks for a batch, soon, from Node's loop.
  virtual void ring() = 0;
  /// Whether this keeps the process alive.
  virtual void keepAlive(bool alive) = 0;
  /// After the `stopped` record: releases thread and handles. Not from inside a batch.
  virtual void join() = 0;
  /// Ends everything now, without JavaScript; returns when nothing is left running. Again: harmless.
  virtual void dispose() = 0;
};

/// Calls into JavaScript: `deliver(most)`, which reads the event ring and answers how many events it
/// delivered; without a number it knows the most for one turn itself. An exception that a handler threw
/// surfaces as uncaught; deliver has scheduled what is left.
class Delivery {
 public:
  Delivery(napi_env env, napi_value deliver) : env_(env) {
    napi_create_reference(env, deliver, 1, &deliver_);
  }
  ~Delivery() { napi_delete_reference(env_, deliver_); }
  Delivery(const Delivery&) = delete;

  napi_env env() const { return env_; }

  /// Within a callback scope that the runtime has opened.
  void call() {
    Scope scope(env_);
    napi_value deliver, global;
    if (!target(&deliver, &global)) return;
    napi_call_function(env_, global, deliver, 0, nullptr, nullptr);
    surface();
  }
  /// From a bare callback of Node's loop: ticks and microtasks run afterwards. Answers the events delivered.
  uint32_t make(napi_async_context context, uint32_t most) {
    Scope scope(env_);
    napi_value deliver, global, limit, delivered = nullptr;
    if (!target(&deliver, &global)) return most;
    napi_create_uint32(env_, most, &limit);
    napi_make_callback(env_, context, global, deliver, 1, &limit, &delivered);
    if (surface() || !delivered) return most;
    uint32_t count = most;
    napi_get_value_uint32(env_, delivered, &count);
    return count;
  }

 private:
  struct Scope {
    explicit Scope(napi_env env) : env(env) { napi_open_handle_scope(env, &scope); }
    ~Scope() { napi_close_handle_scope(env, scope); }
    napi_env env;
    napi_handle_scope scope;
  };

  bool target(napi_value* deliver, napi_value* global) {
    if (napi_get_reference_value(env_, deliver_, deliver) != napi_ok || !*deliver) return false;
    return napi_get_global(env_, global) == napi_ok;
  }
  bool surface() {
    bool pending = false;
    napi_is_exception_pending(env_, &pending);
    napi_value error;
    if (pending && napi_get_and_clear_last_exception(env_, &error) == napi_ok)
      napi_fatal_exception(env_, error);
    return pending;
  }

  napi_env env_;
  napi_ref deliver_;
};

}  // namespace sockman
