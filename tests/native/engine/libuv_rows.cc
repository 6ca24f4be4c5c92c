#include "drives.h"

#ifdef SOCKMAN_HAVE_LIBUV
#include <libuv_engine.h>

namespace sockman::test {
namespace {

/// A loop of libuv's that something else runs, as Node runs its own.
class Host {
 public:
  Host() {
    SOCKMAN_CHECK(uv_loop_init(&loop_) == 0);
    uv_async_init(&loop_, &held_, nullptr);  // holds the loop, so that it polls
    uv_idle_init(&loop_, &idle_);
    uv_timer_init(&loop_, &timer_);
    uv_unref(reinterpret_cast<uv_handle_t*>(&timer_));
  }
  /// Whatever was forgotten has left nothing in the loop.
  ~Host() {
    uv_close(reinterpret_cast<uv_handle_t*>(&held_), nullptr);
    SOCKMAN_CHECK(!uv_loop_alive(&loop_) || !holds(loop_));
    uv_close(reinterpret_cast<uv_handle_t*>(&idle_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    SOCKMAN_CHECK(uv_loop_close(&loop_) == 0);
  }

  uv_loop_t* loop() { return &loop_; }
  /// One iteration. It blocks at most `milliseconds`, or, with -1, as long as nothing happens.
  void run(int milliseconds) {
    if (milliseconds > 0) {
      uv_update_time(&loop_);
      uv_timer_start(
          &timer_, [](uv_timer_t*) {}, static_cast<uint64_t>(milliseconds), 0);
    }
    // Nothing but the test's own handle may hold the loop.
    uv_unref(reinterpret_cast<uv_handle_t*>(&held_));
    SOCKMAN_CHECK(!holds(loop_));
    uv_ref(reinterpret_cast<uv_handle_t*>(&held_));
    uv_run(&loop_, milliseconds == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    uv_timer_stop(&timer_);
  }

 private:
  /// Whether a handle or a request keeps the loop going; those that close do not count.
  static bool holds(uv_loop_t& loop) {
    bool any = loop.active_reqs.count > 0;
    uv_walk(
        &loop,
        [](uv_handle_t* handle, void* any) {
          if (uv_is_active(handle) && uv_has_ref(handle) && !uv_is_closing(handle))
            *static_cast<bool*>(any) = true;
        },
        &any);
    return any;
  }

  uv_loop_t loop_;
  uv_async_t held_;
  uv_idle_t idle_;
  uv_timer_t timer_;
};

class HostDrive final : public Drive {
 public:
  HostDrive(std::unique_ptr<AnyEngine> engine, std::unique_ptr<Host> host)
      : Drive(std::move(engine)), host_(std::move(host)) {}
  ~HostDrive() override { engine_.reset(); }
  void wait(Time deadline) override { host_->run(engine_->busy() ? 0 : millisecondsUntil(deadline)); }

 private:
  std::unique_ptr<Host> host_;
};

Result<std::unique_ptr<Drive>> openHosted(ReceivePool& pool) {
  auto host = std::make_unique<Host>();
  auto engine = openEngine<LibuvEngine>(pool, host->loop());
  if (!engine) return engine.failure();
  return std::unique_ptr<Drive>(new HostDrive(std::move(*engine), std::move(host)));
}

}  // namespace

std::vector<Row> libuvRows() {
  // The process's first loop opens descriptors that stay, which no case shall count as its own.
  Host first;
  return {
      {.name = "libuv",
       .descriptorLimit = LibuvEngine::kDescriptorLimit,
       .open = openDrive<LibuvEngine, BlockingDrive>},
      {.name = "libuv:inline",
       .driven = Row::Driven::hosted,
       .descriptorLimit = LibuvEngine::kDescriptorLimit,
       .open = openHosted},
  };
}

}  // namespace sockman::test
#else
namespace sockman::test {

std::vector<Row> libuvRows() {
  return {{.name = "libuv", .leftOut = "libuv is missing: apt-get install -y libuv1-dev"}};
}

}  // namespace sockman::test
#endif
