// An engine without a kernel: a seeded generator decides what comes of each request, and when.
#pragma once

#include <sys/eventfd.h>

#include <sockman/check.h>
#include <sockman/engine.h>
#include <sockman/roles.h>
#include <sockman/sys/socket.h>

#include <cstring>
#include <vector>

#include "../seeds.h"

namespace sockman::test {

/// A descriptor for the calls of the loop's own: a socket whose other end is gone, or one that refuses each of them.
inline int openSocket(Dice& dice) {
  if (dice.oneIn(2)) return ::eventfd(0, EFD_CLOEXEC);
  int ends[2];
  SOCKMAN_CHECK(sys::socketpair(ends) == 0);
  ::close(ends[1]);
  return ends[0];
}

/// What each byte of a connection is: what arrives anywhere else shows.
inline uint8_t tagOf(uint32_t owner) {
  return static_cast<uint8_t>(owner % 251);  // narrow, and not in step with powers of two
}

class ScriptedEngine {
 public:
  static constexpr bool kInline = false;
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;

  struct Port : PortBase {
    /// The connection that the test made this port for, never used again; 0 for a listener.
    uint32_t owner = 0;
    /// Bytes that "the kernel" took, all of them the owner's.
    uint64_t sent = 0;
    bool listed = false, forgetting = false;
    bool accepting = false, once = false, connecting = false, receiving = false, sending = false;
    bool inFlight = false;  // a receive was stopped, and may have been done by then
  };

  ScriptedEngine(ReceivePool& pool, uint32_t seed) : pool_(pool), block_(pool), dice_(seed) {}
  /// Not used: the tests make the engine themselves.
  static Result<std::unique_ptr<ScriptedEngine>> open(ReceivePool& pool, uv_loop_s*) {
    return std::make_unique<ScriptedEngine>(pool, 1);
  }

  void enable() SOCKMAN_REQUIRES(drivingThread) {}
  void accept(Port& port, bool once) SOCKMAN_REQUIRES(drivingThread) {
    port.once = once;
    ask(port, port.accepting);
  }
  void stopAccepting(Port& port) SOCKMAN_REQUIRES(drivingThread) { port.accepting = false; }
  void connect(Port& port) SOCKMAN_REQUIRES(drivingThread) { ask(port, port.connecting); }
  void receive(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    port.inFlight = false;
    ask(port, port.receiving);
  }
  void stopReceiving(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    port.inFlight |= std::exchange(port.receiving, false);
  }
  void send(Port& port) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(!port.sending && port.partCount > 0);
    ask(port, port.sending);
  }
  void forget(Port& port) SOCKMAN_REQUIRES(drivingThread) { ask(port, port.forgetting); }
  void replenish() SOCKMAN_REQUIRES(drivingThread) {}
  bool starving() const SOCKMAN_REQUIRES(drivingThread) { return starving_; }

  void wait(Time) SOCKMAN_REQUIRES(drivingThread) {}
  void wake() {}
  void submit() SOCKMAN_REQUIRES(drivingThread) {}
  bool busy() const SOCKMAN_REQUIRES(drivingThread) { return !ports_.empty(); }
  int completionFd() const SOCKMAN_REQUIRES(drivingThread) { return -1; }
  void acknowledge() SOCKMAN_REQUIRES(drivingThread) {}
  Details details() const { return {}; }
  const EngineCounters& counters() const { return counters_; }

  /// For about half of what is asked an outcome is reported, in a random order.
  template <class Sink>
  void reap(Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    starving_ = false;
    for (size_t left = ports_.size(); left > 0; left--) {
      const size_t at = dice_.roll(static_cast<uint32_t>(ports_.size()));
      Port& port = *ports_[at];
      if (port.forgetting) {
        if (dice_.oneIn(2)) continue;
        finishInFlight(port, sink);
        ports_[at] = ports_.back();
        ports_.pop_back();
        port.listed = false;
        sink.forgotten(port);  // the last that may be said of the port
        if (ports_.empty()) return;
      } else if (port.connecting && dice_.oneIn(2)) {
        port.connecting = false;
        sink.connected(port, dice_.oneIn(2) ? ECONNREFUSED : 0);
      } else if (port.accepting && dice_.oneIn(2)) {
        finishAccept(port, sink);
      } else if (port.sending && dice_.oneIn(2)) {
        finishSend(port, sink);
      } else if (port.receiving && dice_.oneIn(2)) {
        finishReceive(port, sink);
      } else if (port.inFlight && port.room > 0 && dice_.oneIn(2)) {
        port.inFlight = false;
        if (block_.ensure()) receive(port, 1, sink);
      } else if (!port.receiving && !port.accepting && port.owner != 0 && !port.connecting &&
                 dice_.oneIn(50)) {
        sink.hungUp(port, ECONNRESET);
      }
    }
  }

 private:
  void ask(Port& port, bool& wanted) SOCKMAN_REQUIRES(drivingThread) {
    SOCKMAN_CHECK(!port.forgetting);
    wanted = true;
    if (!std::exchange(port.listed, true)) ports_.push_back(&port);
  }

  /// What was under way when the port was to be forgotten may have been done by then.
  template <class Sink>
  void finishInFlight(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    if (port.accepting && dice_.oneIn(2)) finishAccept(port, sink);
    if (port.connecting && dice_.oneIn(2)) sink.connected(port, dice_.oneIn(2) ? ECONNREFUSED : 0);
    if (port.sending && dice_.oneIn(2)) finishSend(port, sink);
    if (port.receiving && dice_.oneIn(2)) finishReceive(port, sink);
    port.accepting = port.connecting = port.receiving = port.sending = false;
  }

  template <class Sink>
  void finishAccept(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    if (dice_.oneIn(10)) {
      port.accepting = false;
      return sink.acceptFailed(port, dice_.oneIn(2) ? EMFILE : ECONNABORTED);
    }
    if (port.once) port.accepting = false;
    sink.accepted(port, openSocket(dice_));
  }

  template <class Sink>
  void finishSend(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    port.sending = false;
    if (dice_.oneIn(20)) return sink.sent(port, dice_.oneIn(2) ? -EAGAIN : -EPIPE);
    // The parts are unchanged since `send`, and a part of them is taken.
    size_t all = 0;
    for (int i = 0; i < port.partCount; i++) {
      SOCKMAN_CHECK(port.parts[i].iov_len > 0);
      const auto* bytes = static_cast<const uint8_t*>(port.parts[i].iov_base);
      for (size_t n = 0; n < port.parts[i].iov_len; n++) SOCKMAN_CHECK(bytes[n] == tagOf(port.owner));
      all += port.parts[i].iov_len;
    }
    const size_t taken = dice_.oneIn(2) ? all : 1;
    port.sent += taken;
    sink.sent(port, static_cast<int64_t>(taken));
  }

  template <class Sink>
  void finishReceive(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    if (!port.forgetting && dice_.oneIn(12)) {
      port.receiving = false;
      return sink.receiveEnded(port, dice_.oneIn(2) ? ECONNRESET : 0);
    }
    if (!block_.ensure()) {
      starving_ = true;
      return;
    }
    const size_t room = std::min(port.room, block_.room());
    SOCKMAN_CHECK(room > 0);  // with no room the loop stops receiving
    receive(port, 1 + dice_.roll(static_cast<uint32_t>(std::min<size_t>(room, 256))), sink);
  }
  template <class Sink>
  void receive(Port& port, size_t length, Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    std::memset(block_.end(), tagOf(port.owner), length);
    sink.received(port, block_.index(), block_.fill(length), length);
  }

  ReceivePool& pool_;
  FillingBlock block_;
  Dice dice_;
  std::vector<Port*> ports_ SOCKMAN_GUARDED_BY(drivingThread);  // something is asked of each
  bool starving_ SOCKMAN_GUARDED_BY(drivingThread) = false;
  EngineCounters counters_;
};

}  // namespace sockman::test
