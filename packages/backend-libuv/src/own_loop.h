// A loop of libuv's that a thread of ours runs.
#pragma once

#include <sockman/wakeup.h>
#include <uv.h>

#include <array>
#include <memory>

#include "sys_uv.h"

namespace sockman {

/// Made and closed on the JavaScript thread, before its own thread starts and after that was joined.
class OwnLoop {
 public:
  static Result<std::unique_ptr<OwnLoop>> open() {
    if (auto failure = whyRefused()) return *failure;
    auto own = std::make_unique<OwnLoop>();
    if (const int error = sys::uv::loop(own->loop_)) return Failure::of(error, "uv_loop_init");
    // Holds the loop, so that `run` waits.
    if (const int error = sys::uv::async(own->loop_, own->async_)) {
      uv_loop_close(&own->loop_);  // has no handle
      return Failure::of(error, "uv_async_init");
    }
    own->open_ = true;
    uv_timer_init(&own->loop_, &own->timer_);
    return own;
  }
  ~OwnLoop() {
    if (!open_) return;
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }

  uv_loop_t* get() { return &loop_; }
  /// Any thread: ends `run`, also the next one.
  void wake() { uv_async_send(&async_); }
  /// `milliseconds`: at most so long, 0 not at all, -1 without end.
  void run(int milliseconds) {
    if (milliseconds > 0) {
      uv_update_time(&loop_);
      uv_timer_start(
          &timer_, [](uv_timer_t*) {}, static_cast<uint64_t>(milliseconds), 0);
    }
    uv_run(&loop_, milliseconds == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_timer_stop(&timer_);
  }

 private:
  /// The descriptors of a loop of libuv's: an epoll, a pipe for signals, an eventfd.
  static constexpr size_t kDescriptors = 4;

  /// Why the system has no descriptors for a loop; nothing when it has. `uv_loop_init` leaves a descriptor
  /// open when it cannot have all, so it is called only when all can be had (docs/native.md, N59).
  static std::optional<Failure> whyRefused() {
    std::array<std::optional<Wakeup>, kDescriptors> all;
    for (auto& each : all) {
      auto opened = Wakeup::open();
      if (!opened) return opened.failure();
      each.emplace(std::move(*opened));
    }
    return std::nullopt;
  }

  uv_loop_t loop_;
  uv_async_t async_;
  uv_timer_t timer_;
  bool open_ = false;
};

}  // namespace sockman
