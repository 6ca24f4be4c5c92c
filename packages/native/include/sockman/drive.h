// Who runs a loop: the interface that the binding knows.
#pragma once

#include <node_api.h>

#include <optional>

#include "command.h"
#include "result.h"
#include "roles.h"
#include "sys/node.h"

namespace sockman {

class Drive {
 public:
  virtual ~Drive() = default;
  /// Before the first post; once, but for a start that failed, which leaves nothing behind and may be tried again.
  [[nodiscard]] virtual std::optional<Failure> start() SOCKMAN_REQUIRES(javascriptThread) = 0;
  virtual void post(Command&& command) SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// JavaScript consumed something that the loop waits for.
  virtual void wake() SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// Asks for a batch, soon, from Node's loop.
  virtual void ring() SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// From inside a batch: asks for another one, after Node's loop has had its turn. False where there is no such loop
  /// (node_loop.h), for JavaScript to ask its own.
  virtual bool ringLater() SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// Whether this keeps the process alive.
  virtual void keepAlive(bool alive) SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// After the `stopped` record, also inside the batch that it came in: releases thread and handles.
  virtual void join() SOCKMAN_REQUIRES(javascriptThread) = 0;
  /// Ends everything now, without JavaScript (docs/native.md, N50); returns when nothing is left running, or,
  /// with an engine that Node's loop hosts, at once (docs/native.md, N40). Again: harmless.
  virtual void dispose() SOCKMAN_REQUIRES(javascriptThread) = 0;
};

/// Calls into JavaScript: `deliver(most)`, which reads the event ring and answers how many events it
/// delivered; without a number it knows the most for one turn itself. An exception that a handler threw
/// surfaces as uncaught; deliver has scheduled what is left (docs/native.md, N24).
class Delivery {
 public:
  explicit Delivery(napi_env env) : env_(env) {}
  ~Delivery() {
    if (deliver_) napi_delete_reference(env_, deliver_);
  }
  Delivery(const Delivery&) = delete;

  /// Once, before all else. Until `hold` the function lives as long as JavaScript itself needs the function.
  [[nodiscard]] std::optional<Failure> open(napi_value deliver) {
    if (const int error = sys::makeReference(env_, deliver, &deliver_))
      return Failure{error, "napi_create_reference"};
    napi_reference_unref(env_, deliver_, nullptr);
    return std::nullopt;
  }

  napi_env env() const { return env_; }
  /// There may be something to deliver from now on.
  void hold() SOCKMAN_REQUIRES(javascriptThread) { napi_reference_ref(env_, deliver_, nullptr); }

  /// Within a callback scope that the runtime has opened. The batch may be the last, and this object gone then.
  void call() SOCKMAN_REQUIRES(javascriptThread) {
    const napi_env env = env_;
    Scope scope(env);
    napi_value deliver, global;
    if (!target(&deliver, &global)) return;
    napi_call_function(env, global, deliver, 0, nullptr, nullptr);
    surface(env);
  }
  /// From a bare callback of Node's loop: ticks and microtasks run afterwards. Answers the events delivered.
  /// As `call`, it may be gone then.
  uint32_t make(napi_async_context context, uint32_t most) SOCKMAN_REQUIRES(javascriptThread) {
    const napi_env env = env_;
    Scope scope(env);
    napi_value deliver, global, limit, delivered = nullptr;
    if (!target(&deliver, &global)) return most;
    napi_create_uint32(env, most, &limit);
    napi_make_callback(env, context, global, deliver, 1, &limit, &delivered);
    if (surface(env) || !delivered) return most;
    uint32_t count = most;
    napi_get_value_uint32(env, delivered, &count);
    return count;
  }

 private:
  struct Scope {
    explicit Scope(napi_env env) : env(env) { napi_open_handle_scope(env, &scope); }
    ~Scope() { napi_close_handle_scope(env, scope); }
    napi_env env;
    napi_handle_scope scope;
  };

  bool target(napi_value* deliver, napi_value* global) SOCKMAN_REQUIRES(javascriptThread) {
    if (napi_get_reference_value(env_, deliver_, deliver) != napi_ok || !*deliver) return false;
    return napi_get_global(env_, global) == napi_ok;
  }
  static bool surface(napi_env env) SOCKMAN_REQUIRES(javascriptThread) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    napi_value error;
    if (pending && napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_fatal_exception(env, error);
    return pending;
  }

  napi_env env_;
  napi_ref deliver_ = nullptr;
};

}  // namespace sockman
