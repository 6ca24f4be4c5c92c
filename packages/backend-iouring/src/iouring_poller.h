// Waiting by IORING_OP_POLL_ADD: one-shot requests, one for each descriptor and its present interest. What a
// Sock's `wait` uses; the engine's multishot requests move the bytes themselves.
#pragma once

#include <liburing.h>
#include <poll.h>

#include <sockman/engine.h>
#include <sockman/wakeup.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

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
    if (const int error = io_uring_queue_init(kEntries, &ring->raw, IORING_SETUP_CLAMP); error != 0)
      return Failure{-error, "io_uring_setup"};
    ring->open = true;
    // A filter may pass io_uring_setup and refuse the calls that follow.
    io_uring_prep_nop(io_uring_get_sqe(&ring->raw));
    if (const int answer = io_uring_submit_and_wait(&ring->raw, 1); answer < 0)
      return Failure{-answer, "io_uring_enter"};
    io_uring_cq_advance(&ring->raw, 1);
    return IoUringPoller(std::move(*wakeup), std::move(ring));
  }

  void add(Port& port) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(slots_.size()));
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
  }

  void wait(Time deadline) {
    if (!std::exchange(wakeArmed_, true)) {
      io_uring_sqe* sqe = next();
      io_uring_prep_poll_add(sqe, wakeup_.fd(), POLLIN);
      sqe->user_data = kWake;
    }
    io_uring_cqe* cqe;
    const Time left = deadline == kNever ? 0 : std::max<Time>(0, deadline - now());
    __kernel_timespec time{.tv_sec = left / kSecond, .tv_nsec = left % kSecond};
    io_uring_submit_and_wait_timeout(&ring_->raw, &cqe, 1, deadline == kNever ? nullptr : &time, nullptr);
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
      } else if (Port* port = arrived(token)) {
        port->armed = false;
        // An error is that of the descriptor: it was closed behind our back.
        const int found = result < 0 ? POLLNVAL : result;
        visit(*port, (found & POLLIN) != 0, (found & POLLOUT) != 0,
              (found & (POLLERR | POLLHUP | POLLNVAL)) != 0);
      }
    }
  }

  /// Afterwards no request refers to a descriptor that was removed: one in flight would keep the socket open,
  /// and its peer waiting, after close(2).
  void settle() {
    while (cancelled_ > 0) {
      io_uring_submit_and_wait(&ring_->raw, 1);
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
  static constexpr uint64_t kCancel = UINT64_MAX - 1;

  /// At a fixed address: liburing keeps pointers into it.
  struct Ring {
    io_uring raw{};
    bool open = false;
    ~Ring() {
      if (open) io_uring_queue_exit(&raw);
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
  io_uring_sqe* next() {
    io_uring_sqe* sqe;
    while (!(sqe = io_uring_get_sqe(&ring_->raw))) io_uring_submit(&ring_->raw);
    return sqe;
  }
  void disarm(Port& port) {
    if (!std::exchange(port.armed, false)) return;
    io_uring_sqe* sqe = next();
    io_uring_prep_poll_remove(sqe, token(port.slot));
    sqe->user_data = kCancel;
    slots_[port.slot].generation++;
    cancelled_++;
  }
  /// The port that a completion is for, if it still is.
  Port* arrived(uint64_t token) {
    if (token == kCancel) return nullptr;
    Slot& slot = slots_[static_cast<uint32_t>(token)];
    if (slot.generation != token >> 32) {
      cancelled_--;
      return nullptr;
    }
    slot.generation++;
    return slot.port;
  }

  Wakeup wakeup_;
  std::unique_ptr<Ring> ring_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Port*> missed_;
  size_t cancelled_ = 0;  // requests whose last completion is to come and is for nobody
  bool wakeArmed_ = false;
};

}  // namespace sockman
