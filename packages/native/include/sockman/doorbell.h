// Calls from any thread into JavaScript.
#pragma once

#include <node_api.h>

#include <atomic>

#include "drive.h"

namespace sockman {

/// Tells the JavaScript thread that something waits for it: one call per batch, without data.
/// Happens-before: the producer pushes, then exchanges `armed`; the consumer exchanges it back before it
/// reads. Both exchanges are sequentially consistent: a record pushed after the consumer looked finds armed =
/// 0 and rings again.
class Doorbell {
 public:
  /// JavaScript thread. Freed by the runtime's finalizer, since calls may outlive `close`.
  static Doorbell* open(napi_env env, Delivery& delivery) {
    auto* bell = new Doorbell(delivery);
    napi_value name;
    napi_create_string_utf8(env, "sockman", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, finalize, bell, answer,
                                    &bell->function_);
    napi_unref_threadsafe_function(env, bell->function_);
    return bell;
  }
  /// JavaScript thread: nothing is delivered any more.
  void close() {
    delivery_ = nullptr;
    napi_release_threadsafe_function(function_, napi_tsfn_abort);
  }

  /// Any thread.
  void ring() {
    if (armed_.exchange(1) == 0) napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
  }
  /// JavaScript thread.
  void keepAlive(napi_env env, bool alive) {
    (alive ? napi_ref_threadsafe_function : napi_unref_threadsafe_function)(env, function_);
  }

 private:
  explicit Doorbell(Delivery& delivery) : delivery_(&delivery) {}

  static void answer(napi_env env, napi_value, void* context, void*) {
    auto* bell = static_cast<Doorbell*>(context);
    bell->armed_.exchange(0);
    if (env && bell->delivery_) bell->delivery_->call();
  }
  static void finalize(napi_env, void*, void* context) { delete static_cast<Doorbell*>(context); }

  Delivery* delivery_;  // the JavaScript thread's
  napi_threadsafe_function function_ = nullptr;
  std::atomic<uint32_t> armed_{0};
};

}  // namespace sockman
