// The seam: what an engine is. Everything above it (sock_loop.h) and beside it (the drives) is shared.
//
// An engine is completion-shaped: it is asked to do something about a port (a descriptor it watches) and
// reports to a sink what came of it. It knows neither JavaScript nor who drives it. All members but `open`
// and `wake` are called on the driving thread only. Dispatch is static: an engine is a class with these
// members, the sink a template parameter of `reap`, so the interface costs no virtual call per event. A
// number such as N55 is a line of docs/native.md.
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
  /// Bytes that may be received for it now; at 0 the sink stops receiving. Kept by the loop (N28).
  size_t room = 0;
  /// What `send` is to send: set by the loop before it, unchanged until `sent` or `forgotten`.
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

/// An engine that lives in a loop of libuv's: inline in Node's own. Callbacks of that loop carry out the
/// engine's requests and gather its completions, and the end of polling says that there may be something to
/// `reap`. What the engine has forgotten it closes in later turns, so the loop has to go on until then (N40).
/// E28  Nothing that the engine has in the loop keeps the loop alive, or is left in it after `forgotten`.
template <class E>
concept Hosted = requires {
  requires E::kHosted;
};

/// What an engine reports to: the sink. `SockLoop` is the only one. What an engine owes its sink is numbered;
/// the cases of tests/native/engine are named by the numbers (N55).
///
///   E1   An engine reports inside `reap` only; the sink may call any request inside any report, also about
///        the port of the report.
///
///   accepted(port, fd)
///   E2   The descriptor is a new connection's, does not block and is closed by exec; the sink owns it now.
///   acceptFailed(port, errno)
///   E3   Accepting has stopped until `accept` is called again.
///   connected(port, errno)
///   E4   Each `connect` is reported once, with 0 or why it failed.
///   received(port, block, offset, length)
///   E5   Bytes come in the order of their stream, each once, as one more record in a block of the pool,
///        already counted there (`fill`); they stay as they are until the sink releases the block.
///   E6   The bytes of a report are never more than the port's `room`, which the sink lowers by them.
///   receiveEnded(port, errno)
///   E7   The stream ended (0), and all its bytes were reported, or it broke; nothing more is received, and
///        no end reported, until `receive` is called again.
///   sent(port, count)
///   E8   Each `send` is reported once, with what the kernel took of the parts or a negative errno, also when
///        the connection breaks; 0 says that there may be room.
///   hungUp(port, errno)
///   E9   An engine whose mechanism can tell reports that a connection which does not receive broke, with the
///        socket's error, also when it broke before it was stopped; other engines leave it to the next
///        `receive`.
///   E29  A break is told once: `hungUp` comes once at most, and not after `receiveEnded` told an error.
///   E11  `hungUp` is never about a listener: what is wrong with one is reported by `acceptFailed`, when
///        `accept` is called.
///   forgotten(port)
///   E10  This is the last report about the port, and comes once; the engine has no pointer to the port any
///        more, so that its memory and its descriptor's number may be used again.
template <class E>
concept Engine = requires(E e, const E ce, typename E::Port port, ReceivePool& pool, Time deadline,
                          uv_loop_s* nodeLoop) {
  requires std::derived_from<typename E::Port, PortBase>;
  /// Whether Node's loop can drive it: by its `completionFd`, or as its host.
  { E::kInline } -> std::convertible_to<bool>;
  /// E27  An engine watches each descriptor below this number. Those at or beyond it are refused before the
  ///      engine meets them (C22, N25): `supports.descriptorLimit`; one that it accepts it hands to the sink.
  { E::kDescriptorLimit } -> std::convertible_to<int>;
  /// JavaScript thread. The pool outlives the engine. With Node's loop it will be driven inline by that,
  /// without it by a network thread.
  /// E25  Everything that the system may refuse it refuses here; a refused `open` says why and leaves nothing
  ///      open, and so does an engine that is destroyed unused.
  /// E26  The destructor comes after all ports were forgotten; it leaves no descriptor open, and no block but
  ///      those that the engine had for the kernel to fill.
  { E::open(pool, nodeLoop) } -> std::same_as<Result<std::unique_ptr<E>>>;
  /// Once, first on the driving thread.
  e.enable();

  /// Requests. After `forget` a port is asked nothing more but `forget` and to stop.
  /// E12  A request for what is under way does nothing; under way is what was asked and has not been reported
  ///      to have ended. (`connect` is asked once for a port, `send` not again before `sent`.)
  /// E13  The engine accepts connections until `stopAccepting`, or, with `once`, one for each call. A port
  ///      keeps to one of the two.
  e.accept(port, bool());
  /// E14  Connections that are not in flight stay in the kernel, until `accept` is called again.
  e.stopAccepting(port);
  /// connect(2) said EINPROGRESS.
  e.connect(port);
  e.receive(port);  // with `room` above 0
  /// E15  The engine reports what is in flight and then nothing, and loses nothing: `receive` goes on with
  ///      the next byte.
  e.stopReceiving(port);
  /// E16  The engine does not block while it waits for room in the kernel, raises no SIGPIPE on Node's
  ///      thread, and reads the parts no more once it has reported `sent` or `forgotten`.
  e.send(port);
  /// E17  The engine cancels everything in flight, and reports `forgotten` in the next `reap` at the
  ///      earliest. Nobody else uses the descriptor any more: an engine may close it itself, and releases
  ///      `fd` then.
  /// E18  Once `forgotten` is reported, nothing but the descriptor keeps the socket open: closing that ends
  ///      the connection for the peer, and frees the address of a listener.
  e.forget(port);
  /// E19  A port that finds no block starves: it goes on after `replenish`, which says that blocks were
  ///      released, and `starving` says whether there is such a port.
  /// E20  Where reports release the blocks, the engine needs no `replenish`.
  e.replenish();
  { ce.starving() } -> std::same_as<bool>;

  /// Not on Node's loop, but for the end of an engine that this drove.
  /// E21  It submits, then blocks until there is something to reap, a wake or the deadline; it does not
  ///      return again and again for what nobody asked about.
  /// E22  It does not block while there is something to reap.
  e.wait(deadline);
  /// Any thread.
  /// E23  It ends the `wait` under way, or else the next, and no other; it makes `completionFd` readable.
  e.wake();
  /// Submits without blocking.
  e.submit();

  /// Engines with kInline.
  /// E24  The descriptor is readable when there may be something to reap that `busy` does not say, and no
  ///      more once `acknowledge` took the signal and `reap` what is there. It is the same for ever.
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
