// The seam: what an engine is. Everything above it (sock_loop.h) and beside it (the drives) is shared.
//
// An engine is completion-shaped: it is asked to do something about a port (a descriptor it watches) and
// reports to a sink what came of it. It knows neither JavaScript nor who drives it. All members but `open`
// and `wake` are called on the driving thread only. Dispatch is static: an engine is a class with these
// members, the sink a template parameter of `reap`, so the interface costs no virtual call per event.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "deadlines.h"
#include "fd.h"
#include "receive_pool.h"
#include "result.h"

struct uv_loop_s;

namespace sockman {

/// A watched descriptor: base of every engine's Port, which adds what the mechanism needs. Owned by the loop;
/// the engine may keep pointers to it until it has reported `forgotten`.
struct PortBase {
  static constexpr int kMaxParts = 8;

  Fd fd;
  /// Bytes that may be received for it now; at 0 the sink stops receiving. Kept by the loop.
  size_t room = 0;
  /// What `send` is to send: set by the loop before it, unchanged until `sent`.
  int partCount = 0;
  iovec parts[kMaxParts];
};

/// Facts for `SelectionReport.details`.
using Details = std::vector<std::pair<std::string, std::string>>;

/// Counters of an engine; single writer (the driving thread), read anywhere.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct EngineCounters {
  Counter syscalls, wakeups, exhausted, overflows;
};

/// An engine that runs in a loop of libuv's: inline in Node's own. Its requests are carried out and its
/// completions gathered by callbacks of that loop, whose end of polling says that there may be something to
/// `reap`. What it has forgotten it closes in later turns, so Node's loop has to go on until then.
template <class E>
concept Hosted = requires {
  requires E::kHosted;
};

/// What an engine reports to. `SockLoop` is the only one; the sink may call any request of the engine from
/// inside a report, also for the port it is about.
///
///   accepted(port, fd)                      a connection, whose descriptor the sink owns now
///   acceptFailed(port, errno)               and accepting has stopped until `accept` is called again
///   connected(port, errno)                  0, or why not
///   received(port, block, offset, length)   one more record into the pool's block, already counted there
///   receiveEnded(port, errno)               0 is end of stream; no more `received` until `receive`
///   sent(port, count)                       what `send` came to: a count or a negative errno
///   hungUp(port, errno)                     noticed without receiving: the socket's error, 0 if none
///   forgotten(port)                         nothing is in flight; the descriptor may be closed, or is
///   hasRoom()                               false: report no more accepts and receives until the next `reap`
template <class E>
concept Engine = requires(E e, const E ce, typename E::Port port, ReceivePool& pool, Time deadline,
                          uv_loop_s* nodeLoop) {
  requires std::derived_from<typename E::Port, PortBase>;
  /// Whether Node's loop can drive it: by its `completionFd`, or as its host.
  { E::kInline } -> std::convertible_to<bool>;
  /// Descriptors at or beyond it are refused before the engine meets them (C22): `supports.descriptorLimit`.
  { E::kDescriptorLimit } -> std::convertible_to<int>;
  /// JavaScript thread: everything that may be refused happens here. The pool outlives the engine. With
  /// Node's loop it will be driven inline by that, without it by a network thread.
  { E::open(pool, nodeLoop) } -> std::same_as<Result<std::unique_ptr<E>>>;
  /// Once, first on the driving thread.
  e.enable();

  /// Requests. Idempotent: asking for what is under way already does nothing.
  e.accept(port, bool());  // true: stop by itself after each one
  e.stopAccepting(port);
  e.connect(port);  // connect(2) said EINPROGRESS
  e.receive(port);
  e.stopReceiving(port);  // what is in flight may still be reported; from now on a reset is `hungUp`
  e.send(port);           // its parts; not asked again before `sent`
  /// Cancels everything; ends in `forgotten`, in the next `reap` at the earliest. Nobody uses the descriptor
  /// any more: an engine may close it itself, and releases `fd` then.
  e.forget(port);
  /// Blocks were returned to the pool.
  e.replenish();
  /// Ports wait for a block.
  { ce.starving() } -> std::same_as<bool>;

  /// Submits, then blocks until there is something to reap, a wake or the deadline. Not on Node's loop.
  e.wait(deadline);
  /// Any thread: ends `wait`, also the next one; makes `completionFd` readable.
  e.wake();
  /// Submits without blocking.
  e.submit();

  /// Readable when there may be something to reap (engines with kInline); `acknowledge` takes that signal
  /// first.
  requires Hosted<E> || requires {
    { ce.completionFd() } -> std::same_as<int>;
    e.acknowledge();
  };
  /// Whether `reap` would find something, or has something to hand to the kernel.
  { ce.busy() } -> std::same_as<bool>;

  { ce.details() } -> std::same_as<Details>;
  { ce.counters() } -> std::same_as<const EngineCounters&>;
};
// And, a template that a concept cannot name:
//   template <class Sink> void reap(Sink&)    reports what is there, blocks on nothing

}  // namespace sockman
