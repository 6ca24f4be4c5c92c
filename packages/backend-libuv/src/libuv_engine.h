// libuv: streams whose callbacks are completions already, on a loop of its own or, inline, on Node's.
//
// Who owns what: a port holds its handles; a loop keeps pointers to them until their close callbacks ran, so
// only then the port is `forgotten`. A stream closes its descriptor itself. Callbacks write down what they
// are told, and `reap` reports it: one batch per iteration of the loop, not one per read.
//
// Sockets are accepted and connected by uv_poll_t: `uv_listen` would lose connections on EMFILE (N48). A
// number such as N48 is a line of docs/native.md.
#pragma once

#include <sockman/engine.h>
#include <sockman/narrow.h>
#include <sockman/roles.h>
#include <sockman/sockets.h>
#include <sockman/sys/memory.h>
#include <uv.h>

#include <vector>

#include "own_loop.h"
#include "sys_uv.h"

namespace sockman {

class LibuvEngine {
 public:
  static constexpr bool kInline = true;
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;
  static constexpr bool kHosted = true;

  struct Port;

  /// Waits for room in the kernel on Node's loop, which a write request would keep alive (N20). The watcher
  /// needs a descriptor that no stream watches: a duplicate. Owned by the loop until its close callback.
  struct Room {
    uv_poll_t poll;
    Fd twin;
    Port& port;
    [[no_unique_address]] sys::Counted counted{};
  };

  struct Port : PortBase {
    LibuvEngine* engine = nullptr;
    uv_poll_t poll;  // of a listener, and of a connection until it is connected
    union {
      uv_handle_t handle;
      uv_stream_t stream;
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    };
    Fd twin;  // what libuv knows instead of `fd`; see underFreeNumber
    Room* waiting = nullptr;
    uv_write_t write;
    size_t writing = 0;     // bytes that `write` waits with
    size_t unreported = 0;  // bytes received since the last `reap`
    int unclosed = 0;       // handles whose close callback is still to come
    int openError = 0;      // of the stream: a negative errno
    bool polled = false, opened = false;
    bool accepting = false, once = false, receiving = false;
    /// Accepting or receiving has ended by itself, and `reap` has not reported that yet. For the sink it is
    /// still under way: were it started again, its end would come twice (N58).
    bool acceptUntold = false, endUntold = false;
    bool starved = false, forgetting = false;
    [[no_unique_address]] sys::PendingFault readFault;
  };

  /// With Node's loop nothing is started yet; else a loop of its own is made.
  static Result<std::unique_ptr<LibuvEngine>> open(ReceivePool& pool, uv_loop_t* nodeLoop);

  void enable() SOCKMAN_REQUIRES(drivingThread) {}
  void accept(Port& port, bool once) SOCKMAN_REQUIRES(drivingThread);
  void stopAccepting(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void connect(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void receive(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void stopReceiving(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void send(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void forget(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void replenish() SOCKMAN_REQUIRES(drivingThread);
  bool starving() const SOCKMAN_REQUIRES(drivingThread) { return !starved_.empty(); }

  void wait(Time deadline) SOCKMAN_REQUIRES(drivingThread);
  void wake() { own_->wake(); }
  void submit() SOCKMAN_REQUIRES(drivingThread) {}
  template <class Sink>
  void reap(Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  bool busy() const SOCKMAN_REQUIRES(drivingThread) { return !completions_.empty(); }

  Details details() const { return {{"libuv", uv_version_string()}}; }
  const EngineCounters& counters() const { return counters_; }

 private:
  enum class Kind : uint8_t { accepted, acceptFailed, connected, received, receiveEnded, sent, forgotten };
  struct Completion {
    Kind kind;
    Port* port;
    int64_t value = 0;  // a descriptor, an errno, a length, or what `sent` takes
    uint32_t block = 0;
    size_t offset = 0;
  };

  /// Fairness: what one listener, or one connection, may take before the next has its turn (N44).
  static constexpr int kAcceptsPerPass = 128;
  static constexpr size_t kBytesPerPass = 256 * 1024;
  /// What waits for room in the kernel. Small, since libuv does not say how far a failed write had come
  /// (N20).
  static constexpr size_t kPiece = 64 * 1024;
  /// libuv numbers the bytes of a part with an unsigned int. Linux takes less than this at once (write(2)).
  static constexpr size_t kMostPerPart = size_t{1} << 31;

  LibuvEngine(ReceivePool& pool, std::unique_ptr<OwnLoop> own, uv_loop_t* loop)
      : own_(std::move(own)), loop_(loop), block_(pool) {}

  template <class Handle>
  void adopt(Handle& handle, Port& port) SOCKMAN_REQUIRES(drivingThread);
  int watch(Port& port, int events, uv_poll_cb ready) SOCKMAN_REQUIRES(drivingThread);
  void unwatch(Port& port) SOCKMAN_REQUIRES(drivingThread);
  template <class Open>
  int underFreeNumber(Port& port, Open&& open) SOCKMAN_REQUIRES(drivingThread);
  int openStream(Port& port) SOCKMAN_REQUIRES(drivingThread);
  int64_t trySend(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void startReading(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void unlist(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void readFailed(Port& port, int error) SOCKMAN_REQUIRES(drivingThread);
  void endReceiving(Port& port, int error) SOCKMAN_REQUIRES(drivingThread);
  bool awaitRoom(Port& port) SOCKMAN_REQUIRES(drivingThread);
  static void closeRoom(Port& port) SOCKMAN_REQUIRES(drivingThread);

  /// What a callback is about. libuv calls back on the thread that runs the loop.
  template <class Owner>
  static Owner& called(void* data) SOCKMAN_ASSERTS(drivingThread) {
    return *static_cast<Owner*>(data);
  }
  static void onAcceptable(uv_poll_t* poll, int status, int events);
  static void onConnected(uv_poll_t* poll, int status, int events);
  static void onAllocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void onRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void onRoom(uv_poll_t* poll, int status, int events);
  static void onWritten(uv_write_t* write, int status);
  static void onClosed(uv_handle_t* handle);
  static void closed(Port& port) SOCKMAN_REQUIRES(drivingThread);

  std::unique_ptr<OwnLoop> own_;  // null on Node's loop
  uv_loop_t* const loop_;
  FillingBlock block_;
  std::vector<Completion> completions_ SOCKMAN_GUARDED_BY(drivingThread);
  /// These wait for a block, first come, first served.
  std::vector<Port*> starved_ SOCKMAN_GUARDED_BY(drivingThread);
  EngineCounters counters_;
};

/// Reports what was there at its beginning.
template <class Sink>
void LibuvEngine::reap(Sink& sink) {
  if (!own_ && busy()) counters_.wakeups.add();
  const size_t end = completions_.size();
  for (size_t at = 0; at < end; at++) {
    const Completion c = completions_[at];  // a report may add to them
    Port& port = *c.port;
    const int value = narrow<int>(c.value);
    switch (c.kind) {
      case Kind::accepted:
        if (port.once) port.acceptUntold = false;
        sink.accepted(port, value);
        break;
      case Kind::acceptFailed:
        port.acceptUntold = false;
        sink.acceptFailed(port, value);
        break;
      case Kind::connected:
        sink.connected(port, value);
        break;
      case Kind::received:
        port.unreported -= static_cast<size_t>(c.value);
        sink.received(port, c.block, c.offset, static_cast<size_t>(c.value));
        break;
      case Kind::receiveEnded:
        port.endUntold = false;
        sink.receiveEnded(port, value);
        break;
      case Kind::sent:
        sink.sent(port, c.value);
        break;
      case Kind::forgotten:
        sink.forgotten(port);
        break;
    }
  }
  completions_.erase(completions_.begin(), completions_.begin() + static_cast<std::ptrdiff_t>(end));
  // Reports may have released blocks, and nobody else may ever release one (N5).
  if (starving() && block_.ensure()) replenish();
}

}  // namespace sockman
