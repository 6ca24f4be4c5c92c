// The inline drive: Node's own loop runs the engine on the JavaScript thread. No hop, no lock.
//
// Wake-ups come through the engine's completion descriptor, watched by uv_poll; deadlines through one
// uv_timer; what callbacks and outside calls ask of the kernel is submitted once per loop iteration, by one
// uv_prepare. libuv's symbols are weak: where they are missing (Deno, Bun) the addon loads and
// offers the thread drive alone.
#pragma once

#include <node_api.h>
#include <uv.h>

#include "drive.h"
#include "sock_loop.h"

#pragma weak napi_get_uv_event_loop
#pragma weak uv_close
#pragma weak uv_poll_init
#pragma weak uv_poll_start
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

template <Engine E>
class InlineDrive final : public Drive {
 public:
  InlineDrive(SockLoop<E>& loop, Delivery& delivery, uint32_t batchLimit)
      : loop_(loop), delivery_(delivery), batchLimit_(batchLimit) {
    napi_value name;
    napi_create_string_utf8(delivery.env(), "sockman", NAPI_AUTO_LENGTH, &name);
    napi_async_init(delivery.env(), nullptr, name, &context_);
  }
  ~InlineDrive() override {
    dispose();
    if (handles_) handles_->close();
    napi_async_destroy(delivery_.env(), context_);
  }

  void start() override {
    loop_.engine().enable();
    handles_ = Handles::open(delivery_.env(), *this, loop_.engine().completionFd());
  }
  void post(Command&& command) override {
    if (disposed_) return;
    loop_.reclaim();
    loop_.execute(command);
  }
  void wake() override {}  // the next turn reclaims, and one is due: this is called from inside a batch
  void ring() override {
    if (disposed_) return;
    asked_ = true;
    loop_.engine().wake();
  }
  void keepAlive(bool alive) override {
    if (handles_) (alive ? uv_ref : uv_unref)(reinterpret_cast<uv_handle_t*>(&handles_->poll));
  }
  void join() override {
    disposed_ = true;
    if (handles_) std::exchange(handles_, nullptr)->close();
  }
  void dispose() override {
    if (std::exchange(disposed_, true) || !handles_) return;
    loop_.discard();
    while (!loop_.finished()) {
      loop_.engine().wait(kNever);
      loop_.engine().reap(loop_);
    }
  }

 private:
  /// Node's loop owns the handles until their close callbacks ran, so they live apart from the drive. An
  /// unclosed one aborts a worker, hence the asynchronous cleanup hook.
  struct Handles {
    uv_poll_t poll;
    uv_timer_t timer;
    uv_prepare_t prepare;
    InlineDrive* drive;
    napi_async_cleanup_hook_handle hook = nullptr;
    int unclosed = 3;

    static Handles* open(napi_env env, InlineDrive& drive, int fd) {
      auto* handles = new Handles;
      handles->drive = &drive;
      uv_loop_t* loop;
      napi_get_uv_event_loop(env, &loop);
      handles->poll.data = handles->timer.data = handles->prepare.data = handles;
      uv_poll_init(loop, &handles->poll, fd);
      uv_timer_init(loop, &handles->timer);
      uv_prepare_init(loop, &handles->prepare);
      for (auto* handle : handles->all()) uv_unref(handle);
      uv_poll_start(&handles->poll, UV_READABLE, [](uv_poll_t* h, int, int) { from(h)->drive->turn(); });
      uv_prepare_start(&handles->prepare, [](uv_prepare_t* h) { from(h)->drive->prepare(); });
      napi_add_async_cleanup_hook(env, cleanUp, handles, &handles->hook);
      return handles;
    }
    std::array<uv_handle_t*, 3> all() {
      return {reinterpret_cast<uv_handle_t*>(&poll), reinterpret_cast<uv_handle_t*>(&timer),
              reinterpret_cast<uv_handle_t*>(&prepare)};
    }
    /// The drive is told nothing any more; frees itself.
    void close() {
      drive = nullptr;
      for (auto* handle : all()) {
        uv_close(handle, [](uv_handle_t* h) {
          auto* handles = static_cast<Handles*>(h->data);
          if (--handles->unclosed > 0) return;
          napi_remove_async_cleanup_hook(handles->hook);
          delete handles;
        });
      }
    }
    static void cleanUp(napi_async_cleanup_hook_handle, void* data) {
      auto* handles = static_cast<Handles*>(data);
      if (!handles->drive) return;  // closing already
      handles->drive->dispose();
      handles->drive->handles_ = nullptr;
      handles->close();
    }
    template <class H>
    static Handles* from(H* handle) {
      return static_cast<Handles*>(handle->data);
    }
  };

  static constexpr int kRounds =
      8;  // batches in a row before Node's loop has its turn; all within one batchLimit

  void turn() {
    if (disposed_) return;
    loop_.engine().acknowledge();
    uint32_t left = batchLimit_;
    for (int round = 0; round < kRounds && left > 0; round++) {
      loop_.reclaim();
      loop_.expire();
      loop_.engine().reap(loop_);
      loop_.finished();
      loop_.publish();
      if (loop_.published() || std::exchange(asked_, false))
        left -= std::min(left, delivery_.make(context_, left));
      if (disposed_) return;  // by the batch: process.exit() in a worker
      loop_.reclaim();
      if (!loop_.engine().busy() && !loop_.publish()) return arm();
    }
    loop_.engine().wake();  // leaving on the budget: come back
    arm();
  }
  /// The loop's clock may be behind ours, and the timer early: then it is armed again.
  void timeUp() {
    armed_ = kNever;
    turn();
  }
  void prepare() {
    if (disposed_) return;
    loop_.reclaim();
    loop_.engine().submit();
    loop_.finished();
    // What a command brought about by itself, without the kernel, is delivered by a turn too.
    if (loop_.publish() || loop_.engine().busy()) loop_.engine().wake();
    arm();
  }
  void arm() {
    const Time deadline = loop_.nextDeadline();
    if (deadline == armed_) return;
    armed_ = deadline;
    if (deadline == kNever) {
      uv_timer_stop(&handles_->timer);
    } else {
      uv_timer_start(
          &handles_->timer, [](uv_timer_t* h) { Handles::from(h)->drive->timeUp(); },
          static_cast<uint64_t>(millisecondsUntil(deadline)), 0);
    }
  }

  SockLoop<E>& loop_;
  Delivery& delivery_;
  const uint32_t batchLimit_;
  napi_async_context context_ = nullptr;
  Handles* handles_ = nullptr;
  Time armed_ = kNever;
  bool asked_ = false;  // for a batch, by JavaScript
  bool disposed_ = false;
};

}  // namespace sockman
