// Calls from any thread into JavaScript.
#pragma once

#include <node_api.h>

#include <atomic>

#include "drive.h"
#include "sys/memory.h"

namespace sockman {

/// Tells the JavaScript thread that something waits for it: one call per batch, without data (docs/native.md,
/// N6).
/// Happens-before: the producer pushes, then exchanges `armed`; the consumer exchanges it back before it
/// reads. Both exchanges are sequentially consistent: a record pushed after the consumer looked finds armed =
/// 0 and rings again.
class Doorbell {
 public:
  /// Freed by the runtime's finalizer, since calls may outlive `close`.
  static Result<Doorbell*> open(napi_env env, Delivery& delivery) SOCKMAN_REQUIRES(javascriptThread) {
    auto* bell = new Doorbell(delivery);
    napi_value name;
    napi_create_string_utf8(env, "sockman", NAPI_AUTO_LENGTH, &name);
    if (const int error = sys::makeThreadsafeFunction(env, name, finalize, bell, answer, &bell->function_)) {
      delete bell;
      return Failure{error, "napi_create_threadsafe_function"};
    }
    napi_unref_threadsafe_function(env, bell->function_);
    return bell;
  }
  /// Nothing is delivered any more.
  void close() SOCKMAN_REQUIRES(javascriptThread) {
    delivery_ = nullptr;
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
  }

  /// Inside an answer: no other is given before `goOn`. Rung inside of it the runtime would answer again at once, and up
  /// to 1 000 times before Node's loop goes on (docs/native.md, N38).
  void pause() SOCKMAN_REQUIRES(javascriptThread) { paused_ = true; }
  /// Ends a pause, and rings: who rang meanwhile got no answer.
  void goOn() SOCKMAN_REQUIRES(javascriptThread) {
    paused_ = false;
    ring();
  }
  /// Any thread. What refuses a call is an environment that ends, where nobody listens any more.
  void ring() {
    if (armed_.exchange(1) == 0) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
  void keepAlive(napi_env env, bool alive) SOCKMAN_REQUIRES(javascriptThread) {
    (alive ? napi_ref_threadsafe_function : napi_unref_threadsafe_function)(env, function_);
  }

 private:
  explicit Doorbell(Delivery& delivery) : delivery_(&delivery) {}

  /// Without `env` Node empties the queue of a function that was closed, and has called `finalize` before: there is no bell.
  static void answer(napi_env env, napi_value, void* context, void*) {
    if (!env) return;
    javascriptThread.assertHeld();
    auto* bell = static_cast<Doorbell*>(context);
    bell->armed_.exchange(0);
    if (bell->delivery_ && !bell->paused_) bell->delivery_->call();
  }
  static void finalize(napi_env, void*, void* context) { delete static_cast<Doorbell*>(context); }

  Delivery* delivery_ SOCKMAN_GUARDED_BY(javascriptThread);
  napi_threadsafe_function function_ = nullptr;
  std::atomic<uint32_t> armed_{0};
  bool paused_ SOCKMAN_GUARDED_BY(javascriptThread) = false;
  [[no_unique_address]] sys::Counted counted_;
};

}  // namespace sockman
