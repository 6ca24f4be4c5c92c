// The network thread's way to run an engine, and that of a loop which watches the engine's descriptor.
#pragma once

#include <poll.h>

#include "rows.h"

namespace sockman::test {

class BlockingDrive final : public Drive {
 public:
  using Drive::Drive;
  void wait(Time deadline) override { engine_->wait(deadline); }
};

/// Node's loop: callbacks ask, then the loop submits and polls the descriptor.
class DescriptorDrive final : public Drive {
 public:
  using Drive::Drive;
  void wait(Time deadline) override {
    engine_->submit();
    if (!engine_->busy()) {
      pollfd entry{engine_->completionFd(), POLLIN, 0};
      ::poll(&entry, 1, millisecondsUntil(deadline));
    }
    engine_->acknowledge();
  }
};

/// Opens an engine for a thread of its own, or, with `loop`, for a drive on Node's.
template <Engine E>
Result<std::unique_ptr<AnyEngine>> openEngine(ReceivePool& pool, uv_loop_s* loop) {
  auto engine = E::open(pool, loop);
  if (!engine) return engine.failure();
  return std::unique_ptr<AnyEngine>(new EngineOf<E>(std::move(*engine)));
}

template <Engine E, class D>
Result<std::unique_ptr<Drive>> openDrive(ReceivePool& pool) {
  // Not a loop: engines that have a descriptor only ask whether there is one.
  const auto loop = reinterpret_cast<uv_loop_s*>(std::is_same_v<D, DescriptorDrive> ? &pool : nullptr);
  auto engine = openEngine<E>(pool, loop);
  if (!engine) return engine.failure();
  return std::unique_ptr<Drive>(new D(std::move(*engine)));
}

}  // namespace sockman::test
