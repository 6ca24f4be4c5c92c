// Node's own loop, where there is one: libuv's symbols are weak, and where they are missing (Deno, Bun) the addon
// loads and does without (N13). A number such as N13 is a line of docs/native.md.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <utility>

#include "doorbell.h"
#include "sys/node.h"

#pragma weak uv_check_init
#pragma weak uv_check_start
#pragma weak uv_check_stop
#pragma weak uv_close
#pragma weak uv_idle_init
#pragma weak uv_idle_start
#pragma weak uv_idle_stop
#pragma weak uv_prepare_init
#pragma weak uv_prepare_start
#pragma weak uv_ref
#pragma weak uv_timer_init
#pragma weak uv_timer_start
#pragma weak uv_timer_stop
#pragma weak uv_unref

namespace sockman {

inline bool inlineAvailable() {
  return napi_get_uv_event_loop != nullptr && uv_poll_init != nullptr && uv_prepare_init != nullptr;
}

/// Rings a bell in the next turn of Node's loop, as a `setImmediate` that no test framework can stop (N38). All of it
/// belongs to the JavaScript thread. The loop owns the handles until their close callbacks ran, so this frees itself.
class NextTurn {
 public:
  static Result<NextTurn*> open(napi_env env, Doorbell& bell) SOCKMAN_REQUIRES(javascriptThread) {
    uv_loop_t* loop;
    if (const int error = sys::eventLoop(env, &loop)) return Failure{error, "napi_get_uv_event_loop"};
    auto own = std::unique_ptr<NextTurn>(new NextTurn(bell));
    if (const int error = sys::addCleanupHook(env, cleanUp, own.get(), &own->hook_))
      return Failure{error, "napi_add_async_cleanup_hook"};
    NextTurn* turn = own.release();
    // These need nothing of the system: they are refused nothing.
    uv_check_init(loop, &turn->check_);
    uv_idle_init(loop, &turn->idle_);
    turn->check_.data = turn->idle_.data = turn;
    uv_unref(reinterpret_cast<uv_handle_t*>(&turn->check_));
    uv_unref(reinterpret_cast<uv_handle_t*>(&turn->idle_));
    return turn;
  }
  /// The bell is rung no more.
  void close() SOCKMAN_REQUIRES(javascriptThread) {
    if (!std::exchange(bell_, nullptr)) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&check_), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&idle_), closed);
  }
  void ask() SOCKMAN_REQUIRES(javascriptThread) {
    uv_check_start(&check_, [](uv_check_t* handle) {
      javascriptThread.assertHeld();
      static_cast<NextTurn*>(handle->data)->come();
    });
    // While it is active the loop polls without blocking.
    uv_idle_start(&idle_, [](uv_idle_t*) {});
  }

 private:
  explicit NextTurn(Doorbell& bell) : bell_(&bell) {}

  void come() SOCKMAN_REQUIRES(javascriptThread) {
    uv_check_stop(&check_);
    uv_idle_stop(&idle_);
    if (bell_) bell_->goOn();
  }
  static void closed(uv_handle_t* handle) {
    auto* turn = static_cast<NextTurn*>(handle->data);
    if (--turn->unclosed_ > 0) return;
    napi_remove_async_cleanup_hook(turn->hook_);
    delete turn;
  }
  static void cleanUp(napi_async_cleanup_hook_handle, void* data) {
    javascriptThread.assertHeld();
    static_cast<NextTurn*>(data)->close();
  }

  uv_check_t check_;
  uv_idle_t idle_;
  Doorbell* bell_ SOCKMAN_GUARDED_BY(javascriptThread);
  napi_async_cleanup_hook_handle hook_ = nullptr;
  int unclosed_ = 2;
  [[no_unique_address]] sys::Counted counted_;
};

}  // namespace sockman
