// The engine of mechanisms that say what is ready (poll, select, epoll): turns readiness into completions.
//
// A Poller only keeps interests and waits. All members but `open` and `wake` are called on the driving thread:
//   kInline, kDescriptorLimit        as in the concept
//   Port                             a ReadinessPort with what the poller keeps of a port
//   open()                           JavaScript thread: everything that may be refused; a Result<Poller>
//   add(port), remove(port)          O(1)
//   update(port, read, write)        level-triggered interest; with neither, a hang-up may still be reported
//   mute(port)                       not even a hang-up, until the next update
//   wait(deadline)                   blocks (0: does not); wake() ends it, from any thread, also the next one
//   ready(visit)                     visit(port, readable, writable, hungUp), once for what the last wait found;
//                                    ports may be removed meanwhile
//   completionFd()                   with kInline: readable while wait(0) would find something, a wake included
//   askAgain()                       optional: when a wait is due though nothing was found, after a refusal; else kNever
//
// A number such as N18 is a line of docs/native.md.
#pragma once

#include <algorithm>
#include <vector>

#include "engine.h"
#include "forgotten.h"
#include "narrow.h"
#include "roles.h"
#include "sockets.h"

namespace sockman {

/// The port of a poller that keeps an `Index` in it.
template <class Index>
struct ReadinessPort : PortBase {
  Index index{};
  bool added = false, muted = false;
  bool listens = false;  // it is a listener
  bool broken = false;   // the sink was told so
  bool accepting = false, once = false, connecting = false, receiving = false, sending = false;
  bool starved = false, forgetting = false;
  int refused = 0;  // the errno for which the mechanism does not watch it any more, until that is reported
};

template <class Poller>
class ReadinessEngine {
 public:
  static constexpr bool kInline = Poller::kInline;
  static constexpr int kDescriptorLimit = Poller::kDescriptorLimit;

  using Port = typename Poller::Port;

  static Result<std::unique_ptr<ReadinessEngine>> open(ReceivePool& pool, uv_loop_s* nodeLoop) {
    auto poller = Poller::open();
    if (!poller) return poller.failure();
    return std::unique_ptr<ReadinessEngine>(
        new ReadinessEngine(std::move(*poller), pool, nodeLoop != nullptr));
  }

  void enable() SOCKMAN_REQUIRES(drivingThread) {}

  void accept(Port& port, bool once) SOCKMAN_REQUIRES(drivingThread) {
    port.accepting = port.listens = true;
    port.once = once;
    update(port);
  }
  void stopAccepting(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    port.accepting = false;
    port.listens = true;
    update(port);
  }
  void connect(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    port.connecting = true;
    update(port);
  }
  void receive(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (port.receiving) return;
    port.receiving = true;
    update(port);
  }
  void stopReceiving(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (!port.receiving && port.added) return;
    port.receiving = false;
    unlist(port);
    update(port);
  }
  void send(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    port.sending = true;
    update(port);
  }
  void forget(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (port.forgetting) return;
    port.forgetting = true;
    port.accepting = port.connecting = port.receiving = port.sending = false;
    if (port.added) poller_.remove(port);
    port.added = false;
    unlist(port);
    forgotten_.add(port);
  }

  void replenish() SOCKMAN_REQUIRES(drivingThread) {
    if (starved_.empty()) return;
    std::vector<Port*> ports;
    ports.swap(starved_);
    for (Port* port : ports) {
      port->starved = false;
      update(*port);
    }
  }
  bool starving() const SOCKMAN_REQUIRES(drivingThread) { return !starved_.empty(); }

  void wait(Time deadline) SOCKMAN_REQUIRES(drivingThread) {
    counters_.syscalls.add();
    poller_.wait(forgotten_.empty() ? deadline : 0);
    counters_.wakeups.add();
  }
  /// Of the poller the one member that is for any thread.
  void wake() SOCKMAN_UNCHECKED { poller_.wake(); }
  void submit() SOCKMAN_REQUIRES(drivingThread) {}

  /// Reports what the last wait found; more would take another wait. Inline it was Node's loop that waited.
  template <class Sink>
  void reap(Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    if (inline_) wait(0);
    forgotten_.report(sink);
    poller_.ready([&](Port& port, bool readable, bool writable, bool hungUp) {
      drivingThread.assertHeld();  // a poller is also used by other threads, and knows no role
      if (const int error = std::exchange(port.refused, 0)) return refuse(port, error, sink);
      if ((writable || hungUp) && port.connecting) return finishConnect(port, sink);
      // A hang-up may leave no room, and the send meets the error all the same: it is reported (E8).
      if ((writable || hungUp) && port.sending) sendOnce(port, sink);
      if ((readable || hungUp) && port.accepting) return acceptMany(port, sink);
      if ((readable || hungUp) && port.receiving && !port.starved) return receiveMany(port, sink);
      if (hungUp && !port.sending && !port.forgetting) quieten(port, sink);
    });
  }
  bool busy() const SOCKMAN_REQUIRES(drivingThread) { return !forgotten_.empty(); }
  Time askAgain() const SOCKMAN_REQUIRES(drivingThread) {
    if constexpr (requires { poller_.askAgain(); }) return poller_.askAgain();
    return kNever;
  }

  int completionFd() const SOCKMAN_REQUIRES(drivingThread) {
    if constexpr (kInline) return poller_.completionFd();
    return -1;
  }
  void acknowledge() SOCKMAN_REQUIRES(drivingThread) {}  // wait does
  Details details() const { return {}; }
  const EngineCounters& counters() const { return counters_; }

 private:
  /// Fairness: what one listener, or one connection, may take before the next has its turn (N44).
  static constexpr int kAcceptsPerPass = 128;
  static constexpr size_t kBytesPerPass = 256 * 1024;

  ReadinessEngine(Poller poller, ReceivePool& pool, bool inlineDrive)
      : poller_(std::move(poller)), block_(pool), inline_(inlineDrive) {}

  void update(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (port.forgetting) return;
    if (!port.added) poller_.add(port);
    port.added = true;
    const bool read = port.accepting || (port.receiving && !port.starved);
    const bool write = port.connecting || port.sending;
    if (port.muted && !read && !write) return;  // a hang-up was seen, and is permanent (N18)
    port.muted = false;
    poller_.update(port, read, write);
  }

  void unlist(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    if (std::exchange(port.starved, false)) std::erase(starved_, &port);
  }

  /// Nothing was asked for, yet the hang-up is reported, and would be for ever (N18).
  template <class Sink>
  void quieten(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    poller_.mute(port);
    // A port that starves receives: its receive reports the hang-up. Were the port muted for good, a stop
    // before that receive would lose the hang-up (N57).
    port.muted = !port.receiving;
    if (!port.muted || port.broken || port.listens) return;
    const int error = takeSocketError(port.fd.get());
    port.broken = error != 0;  // else both directions came to an orderly end
    if (port.broken) sink.hungUp(port, error);
  }

  /// The mechanism does not take the port: each of its requests ends so.
  template <class Sink>
  void refuse(Port& port, int error, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    // Not one of them is asked of the mechanism again before its owner asks.
    poller_.mute(port);
    const bool receiving = port.receiving;
    const bool idle = !(port.connecting || port.sending || port.accepting || receiving);
    port.receiving = false;
    port.broken |= !port.listens && !port.connecting;
    if (std::exchange(port.connecting, false)) sink.connected(port, error);
    if (std::exchange(port.sending, false)) sink.sent(port, -error);
    if (std::exchange(port.accepting, false)) sink.acceptFailed(port, error);
    if (port.forgetting) return;
    port.muted = idle;
    if (receiving) return sink.receiveEnded(port, error);
    if (idle && !port.listens) sink.hungUp(port, error);
  }

  template <class Sink>
  void finishConnect(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    port.connecting = false;
    update(port);
    sink.connected(port, takeSocketError(port.fd.get()));
  }

  template <class Sink>
  void acceptMany(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    for (int i = 0; i < kAcceptsPerPass && port.accepting; i++) {
      counters_.syscalls.add();
      const int fd = sys::accept(port.fd.get());
      if (fd < 0 && isTransient(-fd)) return;
      if (fd < 0 || port.once) port.accepting = false;
      if (fd < 0) {
        sink.acceptFailed(port, -fd);
      } else {
        sink.accepted(port, fd);
      }
    }
    update(port);
  }

  template <class Sink>
  void receiveMany(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    for (size_t taken = 0; taken < kBytesPerPass && port.receiving;) {
      if (!block_.ensure()) {
        counters_.exhausted.add();
        port.starved = true;
        starved_.push_back(&port);
        return update(port);
      }
      const size_t room = std::min(port.room, block_.room());
      counters_.syscalls.add();
      const ssize_t n = sys::recv(port.fd.get(), block_.end(), room);
      if (n > 0) {
        const size_t offset = block_.fill(static_cast<size_t>(n));
        sink.received(port, block_.index(), offset, static_cast<size_t>(n));
        if (static_cast<size_t>(n) < room) return;  // drained
        taken += static_cast<size_t>(n);
        continue;
      }
      const int error = narrow<int>(-n);
      if (isTransient(error)) return;
      port.receiving = false;
      port.broken |= error != 0;
      update(port);
      return sink.receiveEnded(port, error);
    }
  }

  template <class Sink>
  void sendOnce(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    counters_.syscalls.add();
    const ssize_t n = sendParts(port.fd.get(), port.parts, port.partCount);
    if (n < 0 && isTransient(narrow<int>(-n))) return;
    port.sending = false;
    sink.sent(port, n);
    update(port);
  }

  Poller poller_ SOCKMAN_GUARDED_BY(drivingThread);
  FillingBlock block_;
  const bool inline_;
  std::vector<Port*> starved_ SOCKMAN_GUARDED_BY(drivingThread);
  Forgotten<Port> forgotten_ SOCKMAN_GUARDED_BY(drivingThread);
  EngineCounters counters_;
};

}  // namespace sockman
