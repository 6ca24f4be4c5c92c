// The inline drive: Node's own loop runs the engine on the JavaScript thread. No hop, no lock.
//
// Wake-ups come through the engine's completion descriptor, watched by uv_poll (N11), or, from an engine that
// this loop hosts, with the end of polling, by uv_check (N40); deadlines through one uv_timer (N10); what
// callbacks and outside calls ask of the kernel is submitted once per loop iteration, by one uv_prepare
// (N12). Where libuv is missing (node_loop.h) there is the thread drive alone. A number such as N11 is a line of docs/native.md.
#pragma once

#include <node_api.h>
#include <uv.h>

#include <memory>

#include "drive.h"
#include "node_loop.h"
#include "sock_loop.h"
#include "sys/node.h"

namespace sockman {

template <Engine E>
class InlineDrive final : public Drive {
 public:
  static Result<std::unique_ptr<Drive>> open(SockLoop<E>& loop, CommandCount& count, Delivery& delivery,
                                             uint32_t batchLimit) {
    std::unique_ptr<InlineDrive> drive(new InlineDrive(loop, count, delivery, batchLimit));
    napi_value name;
    napi_create_string_utf8(delivery.env(), "sockman", NAPI_AUTO_LENGTH, &name);
    if (const int error = sys::makeAsyncContext(delivery.env(), name, &drive->context_))
      return Failure{error, "napi_async_init"};
    return std::unique_ptr<Drive>(std::move(drive));
  }
  ~InlineDrive() override {
    dispose();
    if (handles_) handles_->close();
    if (context_) napi_async_destroy(delivery_.env(), context_);
  }

  std::optional<Failure> start() override SOCKMAN_REQUIRES(javascriptThread) {
    drives();
    auto handles = Handles::open(delivery_.env(), *this);
    if (!handles) return handles.failure();
    handles_ = *handles;
    loop_.engine().enable();
    return std::nullopt;
  }
  void post(Command&& command) override SOCKMAN_REQUIRES(javascriptThread) {
    if (disposed_) return;
    drives();
    count_.post();
    loop_.reclaim();
    loop_.execute(command);
    count_.execute(1);
  }
  /// The next turn reclaims, and one is due: this is called from inside a batch.
  void wake() override SOCKMAN_REQUIRES(javascriptThread) {}
  void ring() override SOCKMAN_REQUIRES(javascriptThread) {
    if (disposed_) return;
    asked_ = true;
    comeBack();
  }
  bool ringLater() override SOCKMAN_REQUIRES(javascriptThread) {
    ring();
    return true;
  }
  void keepAlive(bool alive) override SOCKMAN_REQUIRES(javascriptThread) {
    if (handles_) (alive ? uv_ref : uv_unref)(reinterpret_cast<uv_handle_t*>(&handles_->watch));
  }
  void join() override SOCKMAN_REQUIRES(javascriptThread) {
    disposed_ = true;
    if (!handles_) return;
    handles_->context = std::exchange(context_, nullptr);  // a batch may be under way in it
    std::exchange(handles_, nullptr)->close();
  }
  void dispose() override SOCKMAN_REQUIRES(javascriptThread) {
    if (std::exchange(disposed_, true) || !handles_) return;
    drives();
    loop_.discard();
    if constexpr (Hosted<E>) {
      // What is left comes with Node's turns (`windUp`), so Node's loop is held until then (N40).
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
  InlineDrive(SockLoop<E>& loop, CommandCount& count, Delivery& delivery, uint32_t batchLimit)
      : loop_(loop), count_(count), delivery_(delivery), batchLimit_(batchLimit) {}

  /// Inline the JavaScript thread has the other role too.
  static void drives() SOCKMAN_REQUIRES(javascriptThread) SOCKMAN_ASSERTS(drivingThread) {}

  /// What says that there may be something to reap.
  struct Descriptor {
    uv_poll_t watch;
  };
  struct EndOfPolling {
    uv_check_t watch;
    uv_idle_t idle;  // while it is active the loop polls without blocking
  };
  /// Node's loop owns the handles until their close callbacks ran, so they live apart from the drive. A
  /// handle that is left open aborts a worker, hence the asynchronous cleanup hook (N22).
  struct Handles : std::conditional_t<Hosted<E>, EndOfPolling, Descriptor> {
    uv_timer_t timer;
    uv_prepare_t prepare;
    InlineDrive* drive;
    napi_env env;
    napi_async_context context = nullptr;  // of a drive that is gone
    napi_async_cleanup_hook_handle hook = nullptr;
    int unclosed = 0;
    [[no_unique_address]] sys::Counted counted;

    static Result<Handles*> open(napi_env env, InlineDrive& drive)
        SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
      uv_loop_t* loop;
      if (const int error = sys::eventLoop(env, &loop)) return Failure{error, "napi_get_uv_event_loop"};
      auto own = std::make_unique<Handles>();
      Handles* handles = own.get();
      handles->drive = &drive;
      handles->env = env;
      if (const int error = sys::addCleanupHook(env, cleanUp, handles, &handles->hook))
        return Failure{error, "napi_add_async_cleanup_hook"};
      if constexpr (!Hosted<E>) {
        if (const int error = sys::watch(loop, handles->watch, drive.loop_.engine().completionFd())) {
          napi_remove_async_cleanup_hook(handles->hook);
          return Failure::of(error, "uv_poll_init");
        }
      }
      own.release();  // the loop's from now on
      // Timers, and what runs in each turn, need nothing of the system: they are refused nothing.
      uv_timer_init(loop, &handles->timer);
      uv_prepare_init(loop, &handles->prepare);
      uv_prepare_start(&handles->prepare, [](uv_prepare_t* h) { from(h)->drive->prepare(); });
      if constexpr (Hosted<E>) {
        uv_idle_init(loop, &handles->idle);
        uv_check_init(loop, &handles->watch);
        uv_check_start(&handles->watch, [](uv_check_t* h) { from(h)->drive->check(); });
      }
      handles->each([&](uv_handle_t* handle) {
        handle->data = handles;
        handles->unclosed++;
        uv_unref(handle);
      });
      if constexpr (!Hosted<E>) {
        const auto readable = [](uv_poll_t* h, int, int) { from(h)->drive->turn(); };
        if (const int error = sys::startWatch(handles->watch, readable)) {
          handles->close();
          return Failure::of(error, "uv_poll_start");
        }
      }
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
          if (handles->context) napi_async_destroy(handles->env, handles->context);
          napi_remove_async_cleanup_hook(handles->hook);
          delete handles;
        });
      });
    }
    static void cleanUp(napi_async_cleanup_hook_handle, void* data) {
      javascriptThread.assertHeld();
      auto* handles = static_cast<Handles*>(data);
      if (!handles->drive) return;  // closing already
      handles->drive->dispose();
      if constexpr (Hosted<E>) return;  // its handles come first: `windUp`
      handles->drive->handles_ = nullptr;
      handles->close();
    }
    /// Of a callback of Node's loop, which runs on the JavaScript thread: here that drives too.
    template <class H>
    static Handles* from(H* handle) SOCKMAN_ASSERTS(javascriptThread, drivingThread) {
      return static_cast<Handles*>(handle->data);
    }
  };

  /// Batches in a row before Node's loop has its turn; all within one batchLimit (N38).
  static constexpr int kRounds = 8;

  /// Another turn, as soon as Node's loop has had its own.
  void comeBack() SOCKMAN_REQUIRES(javascriptThread) {
    if constexpr (Hosted<E>) {
      uv_idle_start(&handles_->idle, [](uv_idle_t*) {});
    } else {
      loop_.engine().wake();
    }
  }
  /// The loop has polled, and called back the engine that it hosts.
  void check() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    const bool due = uv_is_active(reinterpret_cast<uv_handle_t*>(&handles_->idle));
    if (due) uv_idle_stop(&handles_->idle);
    if (disposed_) return windUp();
    if (due || loop_.engine().busy()) turn();
  }
  /// Disposed, and hosted: Node's loop goes on until all that the engine has in it is closed, or the process
  /// ends (N40).
  void windUp() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    loop_.engine().reap(loop_);
    if (loop_.finished()) std::exchange(handles_, nullptr)->close();
  }

  void turn() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    if (disposed_) return;
    if constexpr (!Hosted<E>) loop_.engine().acknowledge();
    uint32_t left = batchLimit_;
    for (int round = 0; round < kRounds && left > 0; round++) {
      loop_.reclaim();
      loop_.goOn();
      const Time looked = Hosted<E> ? polled_ : now();
      loop_.engine().reap(loop_);
      loop_.expire(looked);
      loop_.finished();
      loop_.publish();
      if (loop_.published() || std::exchange(asked_, false)) {
        // The batch may have ended this drive (the `stopped` record, process.exit() in a worker), and then it
        // is gone.
        const Handles* handles = handles_;
        left -= std::min(left, delivery_.make(context_, left));
        if (!handles->drive) return;
      }
      if (disposed_) return;
      loop_.reclaim();
      loop_.goOn();
      if (!loop_.engine().busy() && !loop_.publish()) return arm();
    }
    comeBack();  // leaves on the budget: nobody else would wake for the rest (N11)
    arm();
  }
  /// The loop's clock may be behind ours, and the timer early: then it is armed again. A host's timers come
  /// before it polls, and deadlines are judged by what it finds (N67).
  void timeUp() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    armed_ = kNever;
    if constexpr (Hosted<E>) return comeBack();
    turn();
  }
  void prepare() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
    if constexpr (Hosted<E>) {
      if (disposed_ && loop_.engine().busy()) comeBack();
    }
    if (disposed_) return;
    if constexpr (Hosted<E>) polled_ = now();
    loop_.reclaim();
    loop_.goOn();
    loop_.engine().submit();
    loop_.finished();
    // What a command brought about by itself, without the kernel, is delivered by a turn too (N12).
    if (loop_.publish() || loop_.engine().busy()) comeBack();
    arm();
  }
  void arm() SOCKMAN_REQUIRES(javascriptThread, drivingThread) {
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
  Handles* handles_ SOCKMAN_GUARDED_BY(javascriptThread) = nullptr;
  Time armed_ SOCKMAN_GUARDED_BY(javascriptThread) = kNever;
  Time polled_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;     // when the host last began to
  bool asked_ SOCKMAN_GUARDED_BY(javascriptThread) = false;  // for a batch, by JavaScript
  bool disposed_ SOCKMAN_GUARDED_BY(javascriptThread) = false;
};

}  // namespace sockman
