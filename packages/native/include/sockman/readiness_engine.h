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
#pragma once

#include <sys/socket.h>

#include "engine.h"
#include "sockets.h"

namespace sockman {

/// The port of a poller that keeps an `Index` in it.
template <class Index>
struct ReadinessPort : PortBase {
  Index index{};
  bool added = false, muted = false;
  bool accepting = false, once = false, connecting = false, receiving = false, sending = false;
  bool starved = false, forgetting = false;
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

  void enable() {}

  void accept(Port& port, bool once) {
    port.accepting = true;
    port.once = once;
    update(port);
  }
  void stopAccepting(Port& port) {
    port.accepting = false;
    update(port);
  }
  void connect(Port& port) {
    port.connecting = true;
    update(port);
  }
  void receive(Port& port) {
    if (port.receiving) return;
    port.receiving = true;
    update(port);
  }
  void stopReceiving(Port& port) {
    if (!port.receiving && port.added) return;
    port.receiving = false;
    update(port);
  }
  void send(Port& port) {
    port.sending = true;
    update(port);
  }
  void forget(Port& port) {
    if (port.forgetting) return;
    port.forgetting = true;
    port.accepting = port.connecting = port.receiving = port.sending = false;
    if (port.added) poller_.remove(port);
    port.added = false;
    if (port.starved) std::erase(starved_, &port);
    forgotten_.push_back(&port);
  }

  void replenish() {
    if (starved_.empty()) return;
    std::vector<Port*> ports;
    ports.swap(starved_);
    for (Port* port : ports) {
      port->starved = false;
      update(*port);
    }
  }
  bool starving() const { return !starved_.empty(); }

  void wait(Time deadline) {
    counters_.syscalls.add();
    poller_.wait(forgotten_.empty() ? deadline : 0);
    counters_.wakeups.add();
  }
  void wake() { poller_.wake(); }
  void submit() {}

  /// Reports what the last wait found; more would take another wait. Inline it was Node's loop that waited.
  template <class Sink>
  void reap(Sink& sink) {
    if (inline_) wait(0);
    for (size_t i = 0; i < forgotten_.size(); i++) sink.forgotten(*forgotten_[i]);
    forgotten_.clear();
    poller_.ready([&](Port& port, bool readable, bool writable, bool hungUp) {
      if ((writable || hungUp) && port.connecting) return finishConnect(port, sink);
      if (writable && port.sending) sendOnce(port, sink);
      if ((readable || hungUp) && port.accepting) return acceptMany(port, sink);
      if ((readable || hungUp) && port.receiving && !port.starved) return receiveMany(port, sink);
      if (hungUp && !port.forgetting) {
        // Nothing asked for, yet reported: poll would report it for ever (FIN plus our own shutdown is HUP).
        poller_.mute(port);
        port.muted = true;
        if (!port.receiving) sink.hungUp(port, takeSocketError(port.fd.get()));
      }
    });
  }
  bool busy() const { return !forgotten_.empty(); }

  int completionFd() const {
    if constexpr (kInline) return poller_.completionFd();
    return -1;
  }
  void acknowledge() {}  // wait does
  Details details() const { return {}; }
  const EngineCounters& counters() const { return counters_; }

 private:
  static constexpr int kAcceptsPerPass = 128;
  /// Fairness: what one connection may take before the next.
  static constexpr size_t kBytesPerPass = 256 * 1024;

  ReadinessEngine(Poller poller, ReceivePool& pool, bool inlineDrive)
      : poller_(std::move(poller)), block_(pool), inline_(inlineDrive) {}

  void update(Port& port) {
    if (port.forgetting) return;
    if (!port.added) poller_.add(port);
    port.added = true;
    const bool read = port.accepting || (port.receiving && !port.starved);
    const bool write = port.connecting || port.sending;
    if (port.muted && !read && !write) return;  // a hang-up was seen and is permanent
    port.muted = false;
    poller_.update(port, read, write);
  }

  template <class Sink>
  void finishConnect(Port& port, Sink& sink) {
    port.connecting = false;
    update(port);
    sink.connected(port, takeSocketError(port.fd.get()));
  }

  template <class Sink>
  void acceptMany(Port& port, Sink& sink) {
    for (int i = 0; i < kAcceptsPerPass && port.accepting && sink.hasRoom(); i++) {
      counters_.syscalls.add();
      const int fd = acceptStream(port.fd.get());
      if (fd < 0 && isTransient(errno)) return;
      if (fd < 0 || port.once) port.accepting = false;
      if (fd < 0) {
        sink.acceptFailed(port, errno);
      } else {
        sink.accepted(port, fd);
      }
    }
    update(port);
  }

  template <class Sink>
  void receiveMany(Port& port, Sink& sink) {
    for (size_t taken = 0; taken < kBytesPerPass && port.receiving && sink.hasRoom();) {
      if (!block_.ensure()) {
        counters_.exhausted.add();
        port.starved = true;
        starved_.push_back(&port);
        return update(port);
      }
      const size_t room = std::min(port.room, block_.room());
      counters_.syscalls.add();
      const ssize_t n = ::recv(port.fd.get(), block_.end(), room, MSG_DONTWAIT);
      if (n > 0) {
        const size_t offset = block_.fill(static_cast<size_t>(n));
        sink.received(port, block_.index(), offset, static_cast<size_t>(n));
        if (static_cast<size_t>(n) < room) return;  // drained
        taken += static_cast<size_t>(n);
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && isTransient(errno)) return;
      port.receiving = false;
      update(port);
      return sink.receiveEnded(port, n == 0 ? 0 : errno);
    }
  }

  template <class Sink>
  void sendOnce(Port& port, Sink& sink) {
    counters_.syscalls.add();
    const ssize_t n = sendParts(port.fd.get(), port.parts, port.partCount);
    if (n < 0 && isTransient(static_cast<int>(-n))) return;
    port.sending = false;
    sink.sent(port, n);
    update(port);
  }

  Poller poller_;
  FillingBlock block_;
  const bool inline_;
  std::vector<Port*> starved_;
  std::vector<Port*> forgotten_;
  EngineCounters counters_;
};

}  // namespace sockman
