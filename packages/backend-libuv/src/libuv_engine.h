// libuv: streams whose callbacks are completions already, on a loop of its own or, inline, on Node's.
//
// Who owns what: a port holds its handles; a loop keeps pointers to them until their close callbacks ran, so
// only then the port is `forgotten`. A stream closes its descriptor itself. Callbacks write down what they
// are told, and `reap` reports it: one batch per iteration of the loop, not one per read.
//
// Sockets are accepted and connected by uv_poll_t. `uv_listen` would answer EMFILE by closing the
// connections that wait, unreported, and would hold one connection beyond `maxConnections` in its hand.
#pragma once

#include <sockman/engine.h>
#include <sockman/sockets.h>
#include <uv.h>

#include <vector>

#include "own_loop.h"

namespace sockman {

class LibuvEngine {
 public:
  static constexpr bool kInline = true;
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;
  static constexpr bool kHosted = true;

  struct Port;

  /// Waits for room in the kernel on Node's loop. A write request would keep that loop alive, whatever the
  /// SockMan wants; a watcher does not, but needs a descriptor that no stream watches: one more for the
  /// socket, while it lasts. Owned by the loop until its close callback.
  struct Room {
    uv_poll_t poll;
    Fd twin;
    Port& port;
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
    bool starved = false, forgetting = false;
  };

  /// With Node's loop nothing is started yet; else a loop of its own is made.
  static Result<std::unique_ptr<LibuvEngine>> open(ReceivePool& pool, uv_loop_t* nodeLoop);

  void enable() {}
  void accept(Port& port, bool once);
  void stopAccepting(Port& port);
  void connect(Port& port);
  void receive(Port& port);
  void stopReceiving(Port& port);
  void send(Port& port);
  void forget(Port& port);
  void replenish();
  bool starving() const { return !starved_.empty(); }

  void wait(Time deadline);
  void wake() { own_->wake(); }
  void submit() {}
  template <class Sink>
  void reap(Sink& sink);
  bool busy() const { return !completions_.empty(); }

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

  static constexpr int kAcceptsPerPass = 128;
  /// Fairness: what one connection may receive before the next.
  static constexpr size_t kBytesPerPass = 256 * 1024;
  /// Nothing more is accepted or received beyond so many: JavaScript does not keep up.
  static constexpr size_t kMostCompletions = 4096;
  /// What waits for room in the kernel. Small, since libuv does not say how far a failed write had come.
  static constexpr size_t kPiece = 64 * 1024;

  LibuvEngine(ReceivePool& pool, std::unique_ptr<OwnLoop> own, uv_loop_t* loop)
      : own_(std::move(own)), loop_(loop), block_(pool) {}

  template <class Handle>
  void adopt(Handle& handle, Port& port);
  int watch(Port& port, int events, uv_poll_cb ready);
  void unwatch(Port& port);
  template <class Open>
  int underFreeNumber(Port& port, Open&& open);
  int openStream(Port& port);
  int64_t trySend(Port& port);
  void startReading(Port& port);
  void unlist(Port& port);
  bool awaitRoom(Port& port);
  static void closeRoom(Port& port);

  static void onAcceptable(uv_poll_t* poll, int status, int events);
  static void onConnected(uv_poll_t* poll, int status, int events);
  static void onAllocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void onRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void onRoom(uv_poll_t* poll, int status, int events);
  static void onWritten(uv_write_t* write, int status);
  static void onClosed(uv_handle_t* handle);
  static void closed(Port& port);

  std::unique_ptr<OwnLoop> own_;  // null on Node's loop
  uv_loop_t* const loop_;
  FillingBlock block_;
  std::vector<Completion> completions_;
  std::vector<Port*> starved_;  // wait for a block, first come, first served
  EngineCounters counters_;
};

/// Reports what was there at its beginning.
template <class Sink>
void LibuvEngine::reap(Sink& sink) {
  if (!own_ && busy()) counters_.wakeups.add();
  const size_t end = completions_.size();
  size_t done = 0;
  for (; done < end; done++) {
    const Completion c = completions_[done];  // a report may add to them
    Port& port = *c.port;
    if ((c.kind == Kind::accepted || c.kind == Kind::received) && !sink.hasRoom()) {
      counters_.overflows.add();
      break;
    }
    const int value = static_cast<int>(c.value);
    switch (c.kind) {
      case Kind::accepted:
        sink.accepted(port, value);
        break;
      case Kind::acceptFailed:
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
  completions_.erase(completions_.begin(), completions_.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace sockman
