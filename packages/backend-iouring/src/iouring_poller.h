// Waiting by IORING_OP_POLL_ADD: one-shot requests, one for each descriptor and its present interest. What a
// Sock's `wait` uses; the engine's multishot requests move the bytes themselves.
#pragma once

#include <liburing.h>
#include <poll.h>

#include <sockman/engine.h>
#include <sockman/narrow.h>
#include <sockman/wakeup.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "sys_uring.h"

namespace sockman {

class IoUringPoller {
 public:
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;

  struct Port {
    Fd fd;
    uint32_t slot = 0;
    uint32_t events = 0;
    bool armed = false;
  };

  static Result<IoUringPoller> open() {
    auto wakeup = Wakeup::open();
    if (!wakeup) return wakeup.failure();
    auto ring = std::make_unique<Ring>();
    io_uring_params params{};
    params.flags = IORING_SETUP_CLAMP;
    if (const int error = sys::uring::setUp(kEntries, ring->raw, params))
      return Failure::of(error, "io_uring_setup");
    ring->open = true;
    // A filter may pass io_uring_setup and refuse the calls that follow (docs/native.md, N47).
    io_uring_prep_nop(io_uring_get_sqe(&ring->raw));
    if (const int answer = sys::uring::submitAndWait(ring->raw); answer < 0)
      return Failure::of(answer, "io_uring_enter");
    io_uring_cq_advance(&ring->raw, 1);
    return IoUringPoller(std::move(*wakeup), std::move(ring));
  }

  void add(Port& port) {
    if (free_.empty()) {
      free_.push_back(narrow<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    port.slot = free_.back();
    free_.pop_back();
    slots_[port.slot].port = &port;
  }
  void remove(Port& port) {
    disarm(port);
    slots_[port.slot].port = nullptr;
    free_.push_back(port.slot);
  }
  /// POLLERR and POLLHUP need no asking.
  void update(Port& port, bool read, bool write) {
    const uint32_t events = (read ? POLLIN : 0U) | (write ? POLLOUT : 0U);
    if (port.armed && port.events == events) return;
    disarm(port);
    port.events = events;
    port.armed = true;
    io_uring_sqe* sqe = next();
    io_uring_prep_poll_add(sqe, port.fd.get(), events);
    sqe->user_data = token(port.slot);
    sys::uring::mayFail(sys::Point::uring_poll, sqe);
  }

  void wait(Time deadline) {
    if (!std::exchange(wakeArmed_, true)) {
      io_uring_sqe* sqe = next();
      io_uring_prep_poll_add(sqe, wakeup_.fd(), POLLIN);
      sqe->user_data = kWake;
    }
    const Time left = deadline == kNever ? 0 : std::max<Time>(0, deadline - now());
    __kernel_timespec time{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
    int answer = submissions_.fill(ring_->raw);
    if (answer == 0) answer = sys::uring::submitAndWait(ring_->raw, deadline == kNever ? nullptr : &time);
    if (sys::uring::isRefused(answer)) wakeup_.awaitInstead(deadline);
  }
  void wake() const { wakeup_.signal(); }

  template <class Visit>
  void ready(Visit&& visit) {
    io_uring_cqe* cqe;
    while (io_uring_peek_cqe(&ring_->raw, &cqe) == 0) {
      const uint64_t token = cqe->user_data;
      const int result = cqe->res;
      io_uring_cqe_seen(&ring_->raw, cqe);
      if (token == kWake) {
        wakeArmed_ = false;
        wakeup_.clear();
      } else if (token & kCancel) {
        // Nothing to cancel any more, or it is about to end anyway: its own completion says so.
        if (result < 0 && result != -ENOENT && result != -EALREADY) cancel(token & ~kCancel);
      } else if (Port* port = arrived(token)) {
        port->armed = false;
        // An error is that of the descriptor: it was closed behind our back.
        const int found = result < 0 ? POLLNVAL : result;
        visit(*port, (found & POLLIN) != 0, (found & POLLOUT) != 0,
              (found & (POLLERR | POLLHUP | POLLNVAL)) != 0);
      }
    }
  }

  /// Afterwards no request refers to a descriptor that was removed: a request in flight would keep the socket
  /// open, and its peer waiting, after close(2) (docs/native.md, N51).
  void settle() {
    while (cancelled_ > 0) {
      int answer = submissions_.fill(ring_->raw);
      if (answer == 0) answer = sys::uring::submitAndWait(ring_->raw);
      if (sys::uring::isRefused(answer)) wakeup_.awaitInstead(kNever);
      ready([this](Port& port, bool, bool, bool) { missed_.push_back(&port); });
    }
    // Something occurred meanwhile to others: the level is still there, they are told of it by the next wait.
    for (Port* port : std::exchange(missed_, {}))
      update(*port, (port->events & POLLIN) != 0, (port->events & POLLOUT) != 0);
  }

 private:
  static constexpr unsigned kEntries = 128;
  static constexpr Time kSecond = 1'000'000'000;
  static constexpr uint64_t kWake = UINT64_MAX;
  static constexpr uint64_t kCancel = uint64_t{1} << 63;  // above the token of what it cancels
  static constexpr uint32_t kGenerations = 0x7fffffff;

  /// At a fixed address: liburing keeps pointers into it.
  struct Ring {
    io_uring raw{};
    bool open = false;
    ~Ring() {
      if (open) sys::uring::tearDown(raw);
    }
  };
  /// Completions name a slot and its generation, which grows with each request: a late one finds nobody.
  struct Slot {
    Port* port = nullptr;
    uint32_t generation = 0;
  };

  IoUringPoller(Wakeup wakeup, std::unique_ptr<Ring> ring)
      : wakeup_(std::move(wakeup)), ring_(std::move(ring)) {}

  uint64_t token(uint32_t slot) const { return uint64_t{slots_[slot].generation} << 32 | slot; }
  io_uring_sqe* next() { return submissions_.next(ring_->raw); }
  void advance(Slot& slot) { slot.generation = (slot.generation + 1) & kGenerations; }
  void cancel(uint64_t token) {
    io_uring_sqe* sqe = next();
    io_uring_prep_poll_remove(sqe, token);
    sqe->user_data = kCancel | token;
    sys::uring::mayFail(sys::Point::uring_cancel, sqe);
  }
  void disarm(Port& port) {
    if (!std::exchange(port.armed, false)) return;
    cancel(token(port.slot));
    advance(slots_[port.slot]);
    cancelled_++;
  }
  /// The port that a completion is for, if it still is.
  Port* arrived(uint64_t token) {
    Slot& slot = slots_[narrow<uint32_t>(token & UINT32_MAX)];
    if (slot.generation != token >> 32) {
      cancelled_--;
      return nullptr;
    }
    advance(slot);
    return slot.port;
  }

  Wakeup wakeup_;
  std::unique_ptr<Ring> ring_;
  sys::uring::Submissions submissions_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Port*> missed_;
  size_t cancelled_ = 0;  // requests whose last completion is to come and is for nobody
  bool wakeArmed_ = false;
};

}  // namespace sockman
