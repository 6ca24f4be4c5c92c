// The inline drive: Node's own loop runs the engine on the JavaScript thread. No hop, no lock.
//
// Wake-ups come through the engine's completion descriptor, watched by uv_poll, or, from an engine that this
// loop hosts, with the end of polling, by uv_check; deadlines through one uv_timer; what callbacks and
// outside calls ask of the kernel is submitted once per loop iteration, by one uv_prepare. libuv's symbols
// are weak: where they are missing (Deno, Bun) the addon loads and offers the thread drive alone.
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
  InlineDrive(SockLoop<E>& loop, CommandCount& count, Delivery& delivery, uint32_t batchLimit)
      : loop_(loop), count_(count), delivery_(delivery), batchLimit_(batchLimit) {
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
    handles_ = Handles::open(delivery_.env(), *this);
  }
  void post(Command&& command) override {
    if (disposed_) return;
    count_.post();
    loop_.reclaim();
    loop_.execute(command);
    count_.execute(1);
  }
  void wake() override {}  // the next turn reclaims, and one is due: this is called from inside a batch
  void ring() override {
    if (disposed_) return;
    asked_ = true;
    comeBack();
  }
  void keepAlive(bool alive) override {
    if (handles_) (alive ? uv_ref : uv_unref)(reinterpret_cast<uv_handle_t*>(&handles_->watch));
  }
  void join() override {
    disposed_ = true;
    if (handles_) std::exchange(handles_, nullptr)->close();
  }
  void dispose() override {
    if (std::exchange(disposed_, true) || !handles_) return;
    loop_.discard();
    if constexpr (Hosted<E>) {
      // What is left comes with Node's turns, if there are any: `windUp`. A loop that nothing holds has none.
      keepAlive(true);
      comeBack();
    } else {
      while (!loop_.finished()) {
        loop_.engine().wait(kNever);
        loop_.engine().reap(loop_);
      }
    }
  }

 private:
  /// What says that there may be something to reap.
  struct Descriptor {
    uv_poll_t watch;
  };
  struct EndOfPolling {
    uv_check_t watch;
    uv_idle_t idle;  // while it is active the loop polls without blocking
  };
  /// Node's loop owns the handles until their close callbacks ran, so they live apart from the drive. An
  /// unclosed one aborts a worker, hence the asynchronous cleanup hook.
  struct Handles : std::conditional_t<Hosted<E>, EndOfPolling, Descriptor> {
    uv_timer_t timer;
    uv_prepare_t prepare;
    InlineDrive* drive;
    napi_async_cleanup_hook_handle hook = nullptr;
    int unclosed = 0;

    static Handles* open(napi_env env, InlineDrive& drive) {
      auto* handles = new Handles;
      handles->drive = &drive;
      uv_loop_t* loop;
      napi_get_uv_event_loop(env, &loop);
      uv_timer_init(loop, &handles->timer);
      uv_prepare_init(loop, &handles->prepare);
      uv_prepare_start(&handles->prepare, [](uv_prepare_t* h) { from(h)->drive->prepare(); });
      if constexpr (Hosted<E>) {
        uv_idle_init(loop, &handles->idle);
        uv_check_init(loop, &handles->watch);
        uv_check_start(&handles->watch, [](uv_check_t* h) { from(h)->drive->check(); });
      } else {
        uv_poll_init(loop, &handles->watch, drive.loop_.engine().completionFd());
        uv_poll_start(&handles->watch, UV_READABLE, [](uv_poll_t* h, int, int) { from(h)->drive->turn(); });
      }
      handles->each([&](uv_handle_t* handle) {
        handle->data = handles;
        handles->unclosed++;
        uv_unref(handle);
      });
      napi_add_async_cleanup_hook(env, cleanUp, handles, &handles->hook);
      return handles;
    }
    template <class Visit>
    void each(Visit&& visit) {
      visit(reinterpret_cast<uv_handle_t*>(&this->watch));
      visit(reinterpret_cast<uv_handle_t*>(&timer));
      visit(reinterpret_cast<uv_handle_t*>(&prepare));
      if constexpr (Hosted<E>) visit(reinterpret_cast<uv_handle_t*>(&this->idle));
    }
    /// The drive is told nothing any more; frees itself.
    void close() {
      drive = nullptr;
      each([](uv_handle_t* handle) {
        uv_close(handle, [](uv_handle_t* h) {
          auto* handles = static_cast<Handles*>(h->data);
          if (--handles->unclosed > 0) return;
          napi_remove_async_cleanup_hook(handles->hook);
          delete handles;
        });
      });
    }
    static void cleanUp(napi_async_cleanup_hook_handle, void* data) {
      auto* handles = static_cast<Handles*>(data);
      if (!handles->drive) return;  // closing already
      handles->drive->dispose();
      if constexpr (Hosted<E>) return;  // its handles come first: `windUp`
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

  /// Another turn, as soon as Node's loop has had its own.
  void comeBack() {
    if constexpr (Hosted<E>) {
      uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
    } else {
      loop_.engine().wake();
    }
  }
  /// The loop has polled, and called back the engine that it hosts.
  void check() {
    const bool due = uv_is_active(reinterpret_cast<uv_handle_t*>(&handles_->idle));
    if (due) uv_idle_stop(&handles_->idle);
    if (disposed_) return windUp();
    if (due || loop_.engine().busy()) turn();
  }
  /// Disposed, and hosted: Node's loop goes on until all that the engine has in it is closed, or the process
  /// ends.
  void windUp() {
    loop_.engine().reap(loop_);
    if (loop_.finished()) std::exchange(handles_, nullptr)->close();
  }

  void turn() {
    if (disposed_) return;
    if constexpr (!Hosted<E>) loop_.engine().acknowledge();
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
    comeBack();  // leaving on the budget
    arm();
  }
  /// The loop's clock may be behind ours, and the timer early: then it is armed again.
  void timeUp() {
    armed_ = kNever;
    turn();
  }
  void prepare() {
    if constexpr (Hosted<E>) {
      if (disposed_ && loop_.engine().busy()) comeBack();
    }
    if (disposed_) return;
    loop_.reclaim();
    loop_.engine().submit();
    loop_.finished();
    // What a command brought about by itself, without the kernel, is delivered by a turn too.
    if (loop_.publish() || loop_.engine().busy()) comeBack();
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
  CommandCount& count_;
  Delivery& delivery_;
  const uint32_t batchLimit_;
  napi_async_context context_ = nullptr;
  Handles* handles_ = nullptr;
  Time armed_ = kNever;
  bool asked_ = false;  // for a batch, by JavaScript
  bool disposed_ = false;
};

}  // namespace sockman
