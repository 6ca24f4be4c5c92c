// epoll(7), level-triggered: the kernel keeps the interests, and each port what the kernel knows of it, so
// that only a change of interest is a system call. Why not edge-triggered: N49. A number such as N49 is a
// line of docs/native.md.
#pragma once

#include <sockman/narrow.h>
#include <sockman/readiness_engine.h>
#include <sockman/sys/wait.h>
#include <sockman/wakeup.h>

#include <algorithm>
#include <array>
#include <vector>

namespace sockman {

class EpollPoller {
 public:
  static constexpr bool kInline = true;
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;
  struct Registration {
    uint32_t slot = 0;
    uint32_t events = 0;  // what the kernel was asked for
    bool known = false;   // to the kernel
  };
  using Port = ReadinessPort<Registration>;

  static Result<EpollPoller> open() {
    auto wakeup = Wakeup::open();
    if (!wakeup) return wakeup.failure();
    const int first = sys::epollCreate();
    if (first < 0) return Failure::of(first, "epoll_create1");
    Fd outer(first);
    const int second = sys::epollCreate();
    if (second < 0) return Failure::of(second, "epoll_create1");
    Fd inner(second);
    if (const int error = furnish(*wakeup, outer, inner)) return Failure::of(error, "epoll_ctl");
    return EpollPoller(std::move(*wakeup), std::move(outer), std::move(inner));
  }

  /// The kernel hears of it in the first update.
  void add(Port& port) {
    if (free_.empty()) {
      free_.push_back(narrow<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    port.index = {.slot = free_.back()};
    free_.pop_back();
    slots_[port.index.slot].port = &port;
  }
  void remove(Port& port) {
    mute(port);
    Slot& slot = slots_[port.index.slot];
    slot.port = nullptr;
    slot.generation++;
    free_.push_back(port.index.slot);
  }
  /// With neither it is still told of a reset, and of an end after our own shutdown.
  void update(Port& port, bool read, bool write) {
    const uint32_t events = (read ? EPOLLIN : 0U) | (write ? EPOLLOUT : 0U);
    if (port.index.known && port.index.events == events) return;
    port.index.events = events;
    tell(port, port.index.known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
  }
  /// No mask silences a hang-up, so the descriptor is taken out of the set (N18).
  void mute(Port& port) {
    if (!std::exchange(port.index.known, false)) return;
    if (sys::epollControl(inner_.get(), EPOLL_CTL_DEL, port.fd.get(), nullptr) < 0) lost_ = true;
  }

  void wait(Time deadline) {
    if (lost_) {
      const bool renewed = renew();
      askAgain_ = renewed ? kNever : now() + kAskAgain;
      if (!renewed) return wakeup_.awaitInstead(deadline);
    }
    found_ = sys::epollWait(inner_.get(), events_.data(), narrow<int>(events_.size()),
                            millisecondsUntil(deadline));
  }
  void wake() const { wakeup_.signal(); }
  /// Inline, Node's loop hears nothing of a set that could not be made anew: its timer asks for the next wait.
  Time askAgain() const { return askAgain_; }

  template <class Visit>
  void ready(Visit&& visit) {
    const std::vector<uint64_t> refused = std::exchange(refused_, {});
    for (const uint64_t token : refused) {
      if (Port* port = find(token)) visit(*port, true, true, true);
    }
    const int found = std::exchange(found_, 0);
    for (int i = 0; i < found; i++) {
      const epoll_event& event = events_[static_cast<size_t>(i)];
      // None: the wake-up, or removed while another was visited.
      if (Port* port = find(event.data.u64))
        visit(*port, (event.events & EPOLLIN) != 0, (event.events & EPOLLOUT) != 0,
              (event.events & (EPOLLERR | EPOLLHUP)) != 0);
    }
  }

  int completionFd() const { return outer_.get(); }

 private:
  static constexpr size_t kEventsPerWait = 256;
  static constexpr uint64_t kWakeup = UINT64_MAX;

  /// Events name a slot and its generation, never a port: what a removed port left behind finds nobody (N49).
  struct Slot {
    Port* port = nullptr;
    uint32_t generation = 0;
  };

  EpollPoller(Wakeup wakeup, Fd outer, Fd inner)
      : wakeup_(std::move(wakeup)), outer_(std::move(outer)), inner_(std::move(inner)) {}

  /// 0, or a negative errno.
  static int furnish(const Wakeup& wakeup, const Fd& outer, const Fd& inner) {
    // By edges a signal is taken back by its report: it need not be read. The count lasts 2^64 signals.
    epoll_event signals{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWakeup}};
    epoll_event anything{.events = EPOLLIN, .data = {}};
    const int error = sys::epollControl(inner.get(), EPOLL_CTL_ADD, wakeup.fd(), &signals);
    return error ? error : sys::epollControl(outer.get(), EPOLL_CTL_ADD, inner.get(), &anything);
  }

  Port* find(uint64_t token) const {
    const auto slot = narrow<uint32_t>(token & UINT32_MAX);
    return slot < slots_.size() && slots_[slot].generation == token >> 32 ? slots_[slot].port : nullptr;
  }

  void tell(Port& port, int operation) {
    const uint64_t token = uint64_t{slots_[port.index.slot].generation} << 32 | port.index.slot;
    epoll_event event{.events = port.index.events, .data = {.u64 = token}};
    int error = -sys::epollControl(inner_.get(), operation, port.fd.get(), &event);
    // The set still has it when a change, or its removal, was refused.
    if (error == EEXIST) error = -sys::epollControl(inner_.get(), EPOLL_CTL_MOD, port.fd.get(), &event);
    port.index.known = error == 0;
    if (port.index.known) return;
    // It would never be heard of again: the next `ready` reports it. What the set does not know was closed by
    // somebody.
    port.refused = error == ENOENT ? EBADF : error;
    if (operation == EPOLL_CTL_MOD) lost_ = true;
    refused_.push_back(token);
    wake();
  }

  /// A descriptor closed behind our back is known by its number no more, and stays in the set, ready for
  /// ever, while a duplicate of it is open anywhere: the set is made anew (N49, C39). False where that is
  /// refused: it is tried again in the next wait, and until then nothing is found.
  bool renew() {
    {
      // Its own number is given back at once: it may be that of the closed one, which the port still closes.
      const Fd fresh(std::max(-1, sys::epollCreate()));
      if (!fresh || sys::replace(fresh.get(), inner_.get()) < 0) return false;
    }
    if (furnish(wakeup_, outer_, inner_) != 0) return false;
    lost_ = false;
    for (const Slot& slot : slots_) {
      if (slot.port && slot.port->index.known) tell(*slot.port, EPOLL_CTL_ADD);
    }
    return true;
  }

  Wakeup wakeup_;
  Fd outer_;  // watched by Node's loop: lasts, while what is in it may be made anew
  Fd inner_;  // all that is watched
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<uint64_t> refused_;  // tokens of ports that the kernel would not take
  bool lost_ = false;              // the set may hold what nobody can take out
  Time askAgain_ = kNever;         // when it is made anew, after a refusal
  int found_ = 0;
  std::array<epoll_event, kEventsPerWait> events_{};
};

using EpollEngine = ReadinessEngine<EpollPoller>;

}  // namespace sockman
